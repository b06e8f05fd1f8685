"""Tests of `ingest/formats/quantized/quanto.py`; values of real files are in `test_quantized_formats.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model

NORMS = {"model.norm.weight": np.ones(256, np.float32), "model.layers.0.norm.weight": np.ones(256, np.float32)}
ATTENTION, MLP = "model.layers.0.self_attn", "model.layers.0.mlp"


def packed(
    module: str, groups: int, length: int, bits: int, shift: type = np.float32
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return a matrix as quanto packs it, with shifts of some type, and the values of its groups."""
    random = np.random.default_rng(groups)
    codes = random.integers(0, 2**bits, (groups, length)).astype(np.uint8)
    scale = random.uniform(0.5, 1, (groups, 1)).astype(np.float32)
    offset = random.integers(0, 2**bits, (groups, 1)).astype(shift)
    count = -(-groups * bits // 8)
    data = np.zeros((count, length), np.uint8)
    for place, row in enumerate(codes):
        data[place % count] |= row << (place // count * bits)
    exact = codes.astype(np.float32) - offset
    expected = exact * scale if shift is np.int8 else codes * scale - offset
    name = f"{module}.weight"
    return {f"{name}._data._data": data, f"{name}._scale": scale, f"{name}._shift": offset}, expected


def read(folder: Path, tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    save_file(tensors | NORMS, folder / "model.safetensors")
    with open_model(folder) as model:
        assert model.problems == []
        matrix = model.matrices[name]
        return matrix.read(np.arange(matrix.rows))


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize(
    ("module", "shape", "length"),
    [
        (f"{MLP}.up_proj", (96, 256), 128),
        (f"{MLP}.down_proj", (256, 512), 128),
        (f"{MLP}.down_proj", (256, 192), 96),
        (f"{ATTENTION}.o_proj", (256, 64), 64),
        (f"{ATTENTION}.k_proj", (33, 256), 128),
    ],
)
def test_sides_are_those_that_norms_groups_and_names_tell(
    tmp_path: Path, bits: int, module: str, shape: tuple[int, int], length: int
) -> None:
    tensors, expected = packed(module, shape[0] * shape[1] // length, length, bits)
    found = read(tmp_path, tensors, f"{module.removeprefix('model.')}.weight")
    np.testing.assert_allclose(found, expected.reshape(shape), atol=1e-5)


def test_a_bias_has_an_element_a_row(tmp_path: Path) -> None:
    tensors, expected = packed(f"{MLP}.up_proj", 40, 96, 4)
    tensors[f"{MLP}.up_proj.bias"] = np.ones(20, np.float32)
    found = read(tmp_path, tensors, "layers.0.mlp.up_proj.weight")
    np.testing.assert_allclose(found, expected.reshape(20, 192), atol=1e-5)


def test_shifts_that_are_integers_are_codes(tmp_path: Path) -> None:
    tensors, expected = packed(f"{MLP}.up_proj", 192, 128, 4, np.int8)
    found = read(tmp_path, tensors, "layers.0.mlp.up_proj.weight")
    np.testing.assert_allclose(found, expected.reshape(96, 256), atol=1e-5)


def test_the_configuration_states_the_width_before_norms_do(tmp_path: Path) -> None:
    tensors, expected = packed(f"{MLP}.up_proj", 64, 96, 4)
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 192}))
    found = read(tmp_path, tensors, "layers.0.mlp.up_proj.weight")
    np.testing.assert_allclose(found, expected.reshape(32, 192), atol=1e-5)


def test_filters_have_a_scale_each(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(-127, 128, (4, 64, 3, 3)).astype(np.int8)
    scale = np.arange(1, 5, dtype=np.float32).reshape(4, 1, 1, 1)
    tensors = {"down.0.conv.weight._data": codes, "down.0.conv.weight._scale": scale}
    np.testing.assert_array_equal(read(tmp_path, tensors, "down.0.conv.weight"), (codes * scale).reshape(4, -1))


@pytest.mark.parametrize(("part", "value"), [("_shift", np.ones((3, 1))), ("_data._data", np.ones((5, 128), np.uint8))])
def test_parts_that_do_not_fit_are_refused_by_name(tmp_path: Path, part: str, value: np.ndarray) -> None:
    tensors, _ = packed(f"{MLP}.up_proj", 192, 128, 4)
    save_file(tensors | NORMS | {f"{MLP}.up_proj.weight.{part}": value}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="packed codes of quanto"):
        open_model(tmp_path)


def test_sides_that_nothing_tells_are_refused_by_name(tmp_path: Path) -> None:
    tensors, _ = packed(f"{MLP}.up_proj", 7, 96, 4)
    save_file(tensors | NORMS, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="whose sides neither a bias nor norms tell"):
        open_model(tmp_path)
