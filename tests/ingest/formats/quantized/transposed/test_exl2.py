"""Tests of `ingest/formats/quantized/transposed/exl2.py`; values of real files are in `test_quantized_formats.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from tests.support.stored_formats import check_refused, expected_of, tensors_of

MODULE = "model.layers.0.self_attn.k_proj"
FITS = "with parts that do not fit"


@pytest.mark.parametrize(("whole", "element"), [(2**22, 4096), (0, 4096), (0, 0)], ids=["whole", "blocks", "words"])
@pytest.mark.parametrize(
    ("name", "dtype"), [("exl2-mixed", "EXL2_6"), ("exl2-low", "EXL2_8"), ("exl2-short", "EXL2_4")]
)
def test_rows_are_read_by_themselves(
    tmp_path: Path, name: str, dtype: str, whole: int, element: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.formats.byte_source.MAX_WHOLE_READ_BYTES", whole)
    monkeypatch.setattr("ingest.formats.byte_source.BYTES_AN_ELEMENT", element)
    monkeypatch.setattr("ingest.formats.byte_source.BLOCK_BYTES", 600)
    expected = expected_of(name, f"{MODULE}.weight").astype(np.float32)
    save_file(tensors_of(name), tmp_path / "model.safetensors")
    with open_model(tmp_path) as model:
        matrix = model.matrices["layers.0.self_attn.k_proj.weight"]
        rows = np.array([0, 3, 15])
        np.testing.assert_allclose(matrix.read(rows), expected[rows], rtol=6e-4)
        assert (matrix.rows, matrix.columns, matrix.dtype) == (16, 96, dtype)
        assert model.problems == []


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("q_scale", None, "without all their parts"),
        ("q_invperm", None, "without all their parts"),
        ("q_scale", np.ones((3, 3), np.int32), FITS),
        ("q_scale_max", np.ones(2, np.float16), FITS),
        ("q_groups", np.array([6, 0, 5, 6], np.int16), FITS),
        ("q_groups", np.array([7, 0, 5, 6, 4, 11], np.int16), "groups that do not fit"),
        ("q_groups", np.array([6, 0, 5, 12, 4, 11], np.int16), "groups that do not fit"),
        ("q_groups", np.array([8, 0, 8, 6, 8, 11], np.int16), "groups that do not hold 96 inputs"),
        ("q_invperm", np.arange(128, dtype=np.int32), "groups that do not hold 128 inputs"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, part: str, value: np.ndarray | None, reason: str
) -> None:
    check_refused(tmp_path, "exl2-mixed", f"{MODULE}.{part}", value, reason)


def test_an_order_that_names_no_input_is_an_error_of_the_file(tmp_path: Path) -> None:
    tensors = tensors_of("exl2-mixed")
    tensors[f"{MODULE}.q_invperm"] = np.full(96, 96, np.int32)
    save_file(tensors, tmp_path / "model.safetensors")
    with open_model(tmp_path) as model, pytest.raises(WeightsError, match="names inputs"):
        model.matrices["layers.0.self_attn.k_proj.weight"].read(np.arange(2))
