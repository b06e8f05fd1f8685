"""Tests of `ingest/formats/open_model.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.matrix import matrix_shape
from ingest.formats.open_model import open_model
from tests.support.families import HEADS, root, write
from tests.support.packing import RNG, values


def int8(value: np.ndarray) -> dict[str, np.ndarray]:
    scale = np.abs(value).max(1, keepdims=True) / 127
    return {"m.weight": np.rint(value / scale).astype(np.int8), "m.weight_scale": scale.astype(np.float32)}


def test_int8_with_a_scale_a_row(tmp_path: Path) -> None:
    value = RNG.normal(size=(16, 64)).astype(np.float32)
    parts = int8(value)
    tmp_path.joinpath("m").mkdir()
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        (matrix,) = model.matrices.values()
        np.testing.assert_allclose(values(matrix), parts["m.weight"] * parts["m.weight_scale"], rtol=1e-6)
        assert matrix.dtype == model.dtype == "I8"


@pytest.mark.parametrize("zero", [0, 8])
def test_int4_two_a_byte_of_either_convention(tmp_path: Path, zero: int) -> None:
    codes = np.clip(np.rint(RNG.normal(size=(16, 64)) * 2.5), -7, 7).astype(np.int16)
    raw = ((codes + zero) & 15).astype(np.uint8)
    scale = RNG.uniform(0.01, 0.02, (16, 2)).astype(np.float16)
    tmp_path.joinpath("m").mkdir()
    parts = {"m.weight_packed": raw[:, 0::2] | (raw[:, 1::2] << 4), "m.weight_scale": scale}
    save_file(parts, tmp_path / "m" / "model.safetensors")
    with open_model(tmp_path / "m") as model:
        (matrix,) = model.matrices.values()
        expected = codes.reshape(16, 2, 32) * scale.astype(np.float32)[:, :, None]
        np.testing.assert_allclose(values(matrix), expected.reshape(16, 64), rtol=1e-6)
        assert (matrix.name, matrix.columns, matrix.dtype) == ("m.weight", 64, "U4")


def test_float8_with_a_scale_a_block(tmp_path: Path) -> None:
    value = RNG.normal(size=(4, 64)).astype(ml_dtypes.float8_e4m3fn)
    header: dict[str, Any] = {
        "m.weight": {"dtype": "F8_E4M3", "shape": [4, 64], "data_offsets": [0, 256]},
        "m.weight_scale_inv": {"dtype": "F32", "shape": [2, 2], "data_offsets": [256, 272]},
    }
    text = json.dumps(header).encode()
    scale = np.array([[1, 2], [3, 4]], np.float32)
    tmp_path.joinpath("m").mkdir()
    data = len(text).to_bytes(8, "little") + text + value.tobytes() + scale.tobytes()
    (tmp_path / "m" / "model.safetensors").write_bytes(data)
    with open_model(tmp_path / "m") as model:
        expected = value.astype(np.float32) * scale.repeat(2, 0).repeat(32, 1)
        np.testing.assert_array_equal(values(model.matrices["m.weight"]), expected)


def test_shards_and_one_file_hold_the_same_matrices(tmp_path: Path) -> None:
    weights = root(1)
    write(tmp_path / "one", weights)
    write(tmp_path / "three", weights, shards=3)
    with open_model(tmp_path / "one") as one, open_model(tmp_path / "three") as three:
        assert one.matrices.keys() == three.matrices.keys()
        for name, matrix in one.matrices.items():
            np.testing.assert_array_equal(values(matrix), values(three.matrices[name]))
        assert one.heads == HEADS


def test_a_folder_without_readable_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights"):
        open_model(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(WeightsError, match="only pickles"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 7), (5, 7)), ((9,), (1, 9)), ((8, 4, 3, 3), (8, 36)), ((6, 100, 64), (600, 64)), ((), (1, 1))],
)
def test_sides(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert matrix_shape(shape) == expected
