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
        ({"_type": "Int4Tensor"}, "scale", "the class Int4Tensor of torchao"),
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
