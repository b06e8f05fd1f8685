"""Tests of `ingest/formats/onnx_files/onnx_matrices.py` with files that the real tools wrote.

Each file in `data/` is one linear layer, exported by torch 2.13.0 and quantized by onnxruntime 1.32.0. `expected.npz`
has what onnxruntime itself computes of the identity, which is the transpose of the weights.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ingest.formats.open_model import open_model

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("*.onnx"))
ARITHMETIC = 2e-5
"""Difference that the order of operations, and rounding the input to 8 bits, make."""


@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_values_are_those_that_the_runtime_computes_with(file: Path, below: bool, tmp_path: Path) -> None:
    folder = tmp_path / "onnx" if below else tmp_path
    folder.mkdir(exist_ok=True)
    for part in DATA.glob(f"{file.name}*"):
        shutil.copy(part, folder)
    with np.load(DATA / "expected.npz") as stored:
        expected = stored[file.stem]
    with open_model(tmp_path) as model:
        assert model.problems == []
        assert model.others == {}
        assert list(model.matrices) == ["layers.0.q_proj.weight"]
        matrix = model.matrices["layers.0.q_proj.weight"]
        assert (matrix.rows, matrix.columns) == expected.shape == (8, 64)
        np.testing.assert_allclose(matrix.read(np.arange(8)), expected, atol=ARITHMETIC)
        np.testing.assert_array_equal(matrix.read(np.array([7, 3])), matrix.read(np.arange(8))[[7, 3]])


def test_of_several_files_one_is_read_and_the_others_are_counted(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    shutil.copy(DATA / "named-by-path.onnx", tmp_path / "onnx" / "model.onnx")
    shutil.copy(DATA / "matmul-4-bits.onnx", tmp_path / "onnx" / "model_q4.onnx")
    with open_model(tmp_path) as model:
        assert model.dtype == "F32"
        assert model.others == {"ONNX": ["onnx/model_q4.onnx"]}


def test_weights_of_which_the_module_is_not_known_are_left_out_and_named(tmp_path: Path) -> None:
    data = (DATA / "named-by-path.onnx").read_bytes()
    path = b"/layers.0/q_proj/MatMul"
    assert data.count(path) == 1
    (tmp_path / "model.onnx").write_bytes(data.replace(path, b"M" * len(path)))
    with pytest.raises(Exception, match="no tensor that can be read"):
        open_model(tmp_path)
