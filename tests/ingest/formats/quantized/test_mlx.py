"""Tests of `ingest/formats/quantized/mlx.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from tests.support.quantized_files import mlx

NAME = "model.layers.0.mlp.up_proj.weight"
OTHER = "model.layers.0.mlp.down_proj.weight"
NORM = {"model.norm.weight": np.ones(192, np.float32)}
VALUES = np.random.default_rng(1).normal(size=(16, 192)).astype(np.float32)
WIDE = np.random.default_rng(2).normal(size=(16, 384)).astype(np.float32)


@pytest.mark.parametrize(("bits", "group"), [(2, 32), (3, 64), (4, 32), (4, 64), (5, 64), (6, 32), (8, 32), (8, 64)])
@pytest.mark.parametrize("stated", [True, False])
def test_codes_of_any_width(tmp_path: Path, bits: int, group: int, stated: bool) -> None:
    tensors, expected = mlx(NAME, VALUES, bits, group)
    wide, expected_wide = mlx(OTHER, WIDE, bits, group)
    save_file(tensors | wide | NORM, tmp_path / "model.safetensors")
    if stated:
        (tmp_path / "config.json").write_text(json.dumps({"quantization": {"group_size": group, "bits": bits}}))
    with open_model(tmp_path) as model:
        assert model.problems == []
        for name, values in (("up_proj", expected), ("down_proj", expected_wide)):
            matrix = model.matrices[f"layers.0.mlp.{name}.weight"]
            assert (matrix.rows, matrix.columns, matrix.dtype) == (*values.shape, f"MLX{bits}")
            np.testing.assert_allclose(matrix.read(np.array([3, 4, 15])), values[[3, 4, 15]], rtol=1e-5, atol=1e-6)


def test_modules_with_groups_of_their_own(tmp_path: Path) -> None:
    four, expected = mlx(NAME, VALUES, 4, 64)
    eight, expected_wide = mlx(OTHER, WIDE, 8, 32)
    save_file(four | eight | NORM, tmp_path / "model.safetensors")
    quantization = {"group_size": 64, "bits": 4, OTHER.removesuffix(".weight"): {"group_size": 32, "bits": 8}}
    (tmp_path / "config.json").write_text(json.dumps({"quantization": quantization}))
    with open_model(tmp_path) as model:
        rows = np.arange(16)
        np.testing.assert_allclose(
            model.matrices["layers.0.mlp.up_proj.weight"].read(rows), expected, rtol=1e-5, atol=1e-6
        )
        wide = model.matrices["layers.0.mlp.down_proj.weight"]
        np.testing.assert_allclose(wide.read(rows), expected_wide, rtol=1e-5, atol=1e-6)


def test_other_packings_make_a_model_that_cannot_be_compared(tmp_path: Path) -> None:
    tensors, _ = mlx(NAME, VALUES, 4, 32)
    del tensors[NAME.removesuffix(".weight") + ".biases"]
    save_file(tensors | NORM, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="cannot be compared"):
        open_model(tmp_path)


def test_adapters_are_read_as_peft_stores_them(tmp_path: Path) -> None:
    down, up = (np.random.default_rng(3).normal(size=size).astype(np.float32) for size in ((192, 4), (4, 16)))
    stem = "model.layers.0.self_attn.q_proj"
    save_file({f"{stem}.lora_a": down, f"{stem}.lora_b": up}, tmp_path / "adapters.safetensors")
    config = {"fine_tune_type": "lora", "model": "acme/river", "lora_parameters": {"rank": 4, "scale": 20.0}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with open_model(tmp_path) as model:
        first, second = (model.matrices[f"layers.0.self_attn.q_proj.lora_{part}.weight"] for part in "AB")
        np.testing.assert_array_equal(first.read(np.arange(4)), down.T)
        np.testing.assert_array_equal(second.read(np.array([2, 15])), up.T[[2, 15]])
        assert model.adapter is not None
        assert (model.adapter.base_model_name_or_path, model.adapter.r) == ("acme/river", 4)
