"""Tests of `ingest/weights/pairwise/quantization_grid.py`."""

from __future__ import annotations

from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import pytest

from ingest.weights.pairwise.quantization_grid import detect_grids, match_quantization, quantize
from tests.support.changes import matrices, quantized, vectors
from tests.support.families import root, trained


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_grids_of_llama_cpp(kind: str) -> None:
    """Our formulas against its package; it rounds the scale to 16 bits, which moves a value by 2^-11 of its block."""
    value = np.random.default_rng(1).normal(size=(200, 32)).astype(np.float32)
    wanted = gguf.GGMLQuantizationType[kind]
    theirs = gguf.quants.dequantize(gguf.quants.quantize(value, wanted), wanted)
    name = {"Q8_0": "int8/block32"}.get(kind, kind)
    ours = quantize(value, np.abs(value).max(1), np.abs(value).max(1))[name]
    near = np.abs(ours - theirs) <= np.abs(value).max(1, keepdims=True) * 2**-10
    assert near.mean() > 0.995


@pytest.mark.parametrize(("grid", "rounded"), [("MXFP4/floor", np.floor), ("MXFP4/ceil", np.ceil)])
def test_grids_of_mxfp4(grid: str, rounded: np.ufunc) -> None:
    """Our formulas against the type of ml_dtypes; 4 and 6 are the largest power of 2 and the largest value of a code."""
    value = np.random.default_rng(1).normal(size=(200, 32)).astype(np.float32)
    value[0] = 0
    largest = np.maximum(np.abs(value).max(1, keepdims=True), 2.0**-100)
    scale = np.exp2(rounded(np.log2(largest / (4 if grid.endswith("floor") else 6)))).astype(np.float32)
    expected = (value / scale).astype(ml_dtypes.float4_e2m1fn).astype(np.float32) * scale
    ours = quantize(value, np.abs(value).max(1), np.abs(value).max(1))[grid]
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(
    ("change", "dtype", "kind"),
    [
        (lambda v: quantized(v, 8, 0), "F32", "quantized"),
        (lambda v: quantized(v, 8, 0), "BF16", "quantized"),
        (lambda v: quantized(v, 4, 32), "BF16", "quantized"),
        (lambda v: np.where(np.abs(v) > 0.02, v, 0), "F32", "pruned"),
        (lambda v: v, "BF16", "cast"),
        (lambda v: v, "F16", "cast"),
        (lambda v: v, "F32", "same"),
    ],
)
def test_a_copy_is_explained_by_its_original_alone(tmp_path: Path, change: object, dtype: str, kind: str) -> None:
    base = root(1)
    sibling = trained(base, 2, 0.01)
    family = vectors(tmp_path, (base, "F32"), (sibling, "F32"), (matrices(base, change), dtype))
    right, wrong = match_quantization(family, 2, np.array([0, 1]))
    assert right.explained > 0.98
    assert right.kind == kind
    assert wrong.explained < 0.9
    assert bool(detect_grids(family)[2]) == (kind == "quantized")
    assert not detect_grids(family)[0]


def test_a_fine_tune_is_no_copy(tmp_path: Path) -> None:
    family = vectors(tmp_path, (root(1), "F32"), (trained(root(1), 2, 0.003), "F32"))
    assert match_quantization(family, 1, np.array([0]))[0].explained < 0.5
