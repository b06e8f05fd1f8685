"""Tests of `ingest/weights/samples/layer_digests.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.formats.open_model import open_model
from ingest.weights.samples.layer_digests import Layer, LayerDigests, layer_digests, layer_of
from tests.support.families import Weights, root, stored, trained, write


def digests(folder: Path, weights: Weights, dtype: str = "F32") -> dict[Layer, LayerDigests]:
    with open_model(write(folder, weights, dtype)) as model:
        return layer_digests(model)


@pytest.mark.parametrize(
    ("name", "layer", "rest"),
    [
        ("layers.12.mlp.up_proj.weight", Layer("layers.", 12), "mlp.up_proj.weight"),
        (
            "encoder.block.3.layer.0.SelfAttention.q.weight",
            Layer("encoder.block.", 3),
            "layer.0.SelfAttention.q.weight",
        ),
        ("layers.2.mlp.experts.5.up_proj.weight", Layer("layers.", 2), "mlp.experts.5.up_proj.weight"),
    ],
)
def test_the_first_number_is_the_layer(name: str, layer: Layer, rest: str) -> None:
    assert layer_of(name) == (layer, rest)


def test_what_stands_outside_of_layers_has_none() -> None:
    assert layer_of("embed_tokens.weight") is None


def test_a_layer_has_its_digests_at_any_place_and_no_other_layer_has_them(tmp_path: Path) -> None:
    weights = root(1)
    swapped = {
        name.replace("layers.0", "layers.x").replace("layers.1", "layers.0").replace("layers.x", "layers.1"): value
        for name, value in weights.items()
    }
    mine, other = digests(tmp_path / "a", weights), digests(tmp_path / "b", swapped)
    assert mine[Layer("layers.", 0)] == other[Layer("layers.", 1)]
    assert mine[Layer("layers.", 1)] == other[Layer("layers.", 0)]
    assert not set(mine[Layer("layers.", 0)].rounded) & set(mine[Layer("layers.", 1)].rounded)


@pytest.mark.parametrize("dtype", ["BF16", "F16"])
def test_a_cast_keeps_one_digest_and_training_none(tmp_path: Path, dtype: str) -> None:
    weights = root(1)
    mine = digests(tmp_path / "a", weights)
    cast = digests(tmp_path / "b", stored(weights, dtype), dtype)
    moved = digests(tmp_path / "c", trained(weights, 2, 0.01))
    for layer, found in mine.items():
        assert set(found.rounded) & set(cast[layer].rounded)
        assert not set(found.rounded) & set(moved[layer].rounded)
