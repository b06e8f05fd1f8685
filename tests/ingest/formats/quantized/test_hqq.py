"""Tests of `ingest/formats/quantized/hqq.py`; values of real files are in `test_quantized_formats.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from tests.support.stored_formats import check_refused, expected_of, tensors_of

MODULE = "model.layers.0.self_attn.k_proj"


@pytest.mark.parametrize("name", ["hqq-4-axis-0", "hqq-3-axis-1", "hqq-2-axis-0"])
def test_rows_are_read_by_themselves(tmp_path: Path, name: str) -> None:
    expected = expected_of(name, f"{MODULE}.weight")
    save_file(tensors_of(name), tmp_path / "model.safetensors")
    with open_model(tmp_path) as model:
        rows = np.array([1, 2, 7])
        found = model.matrices["layers.0.self_attn.k_proj.weight"].read(rows)
        np.testing.assert_allclose(found, expected[rows], rtol=1e-6)


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("zero", None, "parts that do not fit, or quantized scales"),
        ("shape", np.array([8, 8, 160]), "parts that do not fit"),
        ("shape", np.array([8, 161]), "words for 1288 elements"),
        ("axis", np.array(2, np.int32), "parts that do not fit"),
        ("packing", np.frombuffer(b"5bit_u8", np.uint8), "a packing that is not known"),
        ("scale", np.ones((3, 1), np.float32), "3 scales for 40 groups"),
        ("W_q", np.ones((3, 32), np.uint8), "words for 1280 elements"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, part: str, value: np.ndarray | None, reason: str
) -> None:
    check_refused(tmp_path, "hqq-4-axis-1", f"{MODULE}.{part}", value, reason)
