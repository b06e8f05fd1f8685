"""Tests of `ingest/formats/quantized/torchao.py`; values of real files are in `test_quantized_formats.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model

MODULE = "model.layers.0.mlp.up_proj"
NORM = {"model.norm.weight": np.ones(64, np.float32)}


@pytest.mark.parametrize(
    ("metadata", "part", "reason"),
    [
        ({"_type": "Int4TilePackedTo4dTensor"}, "scale", "the class Int4TilePackedTo4dTensor of torchao"),
        ({"_type": "Int4Tensor"}, "scale", "the class Int4Tensor of torchao, with parts that do not fit"),
        ({"_type": "Int4Tensor"}, "zero_point", "the class Int4Tensor of torchao, without scales"),
        ({}, "scale", "the class unknown of torchao"),
        ({"_type": "Int8Tensor", "_data": {"block_size": [1, 64]}}, "act_quant_scale", "without scales"),
        ({"_type": "Int8Tensor", "_data": {"block_size": "all"}}, "act_pre_scale", "scaled before"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_class(
    tmp_path: Path, metadata: dict[str, object], part: str, reason: str
) -> None:
    parts = {
        f"{MODULE}._weight_qdata": np.ones((4, 64), np.int8),
        f"{MODULE}._weight_{part}": np.ones((4, 1), np.float32),
    }
    save_file(parts | NORM, tmp_path / "model.safetensors", {f"{MODULE}.weight": json.dumps(metadata)})
    with pytest.raises(WeightsError, match=reason):
        open_model(tmp_path)


FP8 = {"_type": "torch.dtype", "_data": "float8_e4m3fn"}
FP4 = {"_type": "torch.dtype", "_data": "float4_e2m1fn_x2"}


@pytest.mark.parametrize(
    ("kind", "settings", "scales", "reason"),
    [
        ("MXTensor", {"elem_dtype": "fp6_e2m3", "block_size": 32}, (4, 4), "the class MXTensor of torchao, of U8"),
        ("MXTensor", {"elem_dtype": FP8, "block_size": 32}, (4, 4), "the class MXTensor of torchao, of float8_e4m3fn"),
        ("MXTensor", {"elem_dtype": FP4}, (4, 4), "the class MXTensor of torchao, of float4_e2m1fn_x2"),
        ("MXTensor", {"elem_dtype": FP4, "block_size": 48}, (4, 4), "with groups that do not fit"),
        ("MXTensor", {"elem_dtype": FP4, "block_size": 32}, (4, 5), "20 scales of torchao for 16 groups"),
        ("NVFP4Tensor", {"block_size": 16, "is_swizzled_scales": True}, (4, 8), "32 scales of torchao in tiles"),
    ],
)
def test_scales_that_do_not_fit_are_refused_by_the_class(
    tmp_path: Path, kind: str, settings: dict[str, object], scales: tuple[int, int], reason: str
) -> None:
    parts = {
        f"{MODULE}._weight_qdata": np.ones((4, 64), np.uint8),
        f"{MODULE}._weight_scale": np.full(scales, 127, np.uint8),
    }
    metadata = {f"{MODULE}.weight": json.dumps({"_type": kind, "_data": settings})}
    save_file(parts | NORM, tmp_path / "model.safetensors", metadata)
    with pytest.raises(WeightsError, match=reason):
        open_model(tmp_path)


@pytest.mark.parametrize(("rows", "groups"), [(130, 9), (40, 4)])
def test_scales_in_tiles_are_those_in_rows(tmp_path: Path, rows: int, groups: int) -> None:
    """The order of cuBLAS: in a tile of 128 x 4, row r and group g lie at 16 (r mod 32) + 4 (r div 32) + g."""
    exponents = np.random.default_rng(1).integers(120, 130, (rows, groups)).astype(np.uint8)
    down, across = -(-rows // 128), -(-groups // 4)
    tiles = np.zeros(down * across * 512, np.uint8)
    for row in range(rows):
        for group in range(groups):
            tile = row // 128 * across + group // 4
            tiles[tile * 512 + row % 32 * 16 + row % 128 // 32 * 4 + group % 4] = exponents[row, group]
    codes = np.full((rows, groups * 16), 0x22, np.uint8)
    settings = {"elem_dtype": FP4, "block_size": 32, "is_swizzled_scales": True}
    parts = {f"{MODULE}._weight_qdata": codes, f"{MODULE}._weight_scale": tiles.reshape(down * 32, across * 16)}
    metadata = {f"{MODULE}.weight": json.dumps({"_type": "MXTensor", "_data": settings})}
    save_file(parts | NORM, tmp_path / "model.safetensors", metadata)
    wanted = np.array([0, 37, rows - 1])
    with open_model(tmp_path) as model:
        found = model.matrices["layers.0.mlp.up_proj.weight"].read(wanted)
    np.testing.assert_array_equal(found[:, ::32], 2.0 ** (exponents[wanted].astype(np.float32) - 127))
