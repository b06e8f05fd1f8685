"""Tests of `ingest/formats/quantized/bitsandbytes.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from tests.support.quantized_files import Arrays, int8, nf4

NAME = "model.layers.0.mlp.up_proj.weight"
NORM = {"model.norm.weight": np.ones(128, np.float32)}
VALUES = np.random.default_rng(1).normal(size=(48, 128)).astype(np.float32)
ROWS = np.array([0, 1, 17, 47])


def opened(tmp_path: Path, tensors: Arrays) -> tuple[np.ndarray, str]:
    save_file(tensors | NORM, tmp_path / "model.safetensors")
    with open_model(tmp_path) as model:
        assert set(model.matrices) == {"layers.0.mlp.up_proj.weight", "norm.weight"}
        assert model.problems == []
        matrix = model.matrices["layers.0.mlp.up_proj.weight"]
        assert (matrix.rows, matrix.columns) == VALUES.shape
        return matrix.read(ROWS), matrix.dtype


@pytest.mark.parametrize("nested", [False, True])
def test_four_bits(tmp_path: Path, nested: bool) -> None:
    tensors, expected = nf4(NAME, VALUES, nested=nested)
    found, dtype = opened(tmp_path, tensors)
    np.testing.assert_allclose(found, expected[ROWS], rtol=1e-5)
    assert dtype == "NF4"
    assert np.abs(found - VALUES[ROWS]).max() < 1


def test_eight_bits(tmp_path: Path) -> None:
    tensors, expected = int8(NAME, VALUES)
    found, dtype = opened(tmp_path, tensors)
    np.testing.assert_allclose(found, expected[ROWS], rtol=1e-5)
    assert dtype == "INT8"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (".absmax", np.ones(3, np.float32)),
        (".quant_map", np.ones(15, np.float32)),
        (".quant_state.bitsandbytes__nf4", np.frombuffer(b"{", np.uint8)),
        (".quant_state.bitsandbytes__nf4", np.frombuffer(b'{"shape": [4], "blocksize": 64}', np.uint8)),
        (".quant_state.bitsandbytes__nf4", np.zeros(5000, np.uint8)),
    ],
)
def test_parts_that_do_not_fit_make_a_model_that_cannot_be_compared(
    tmp_path: Path, part: str, value: np.ndarray
) -> None:
    tensors, _ = nf4(NAME, VALUES)
    save_file(tensors | NORM | {f"{NAME}{part}": value}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="cannot be compared"):
        open_model(tmp_path)
