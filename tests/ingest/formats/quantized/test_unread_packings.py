"""Tests of `ingest/formats/quantized/unread_packings.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from ingest.formats.quantized.unread_packings import UNREAD

MODULE = "model.layers.0.mlp.up_proj"


@pytest.mark.parametrize("packing", [each for each in UNREAD if each.ends], ids=lambda each: each.name)
def test_a_model_of_which_most_is_packed_so_is_refused_by_that_name(tmp_path: Path, packing: object) -> None:
    (known,) = [each for each in UNREAD if each is packing]
    parts = {f"{MODULE}{end}": np.ones((8, 64), np.float16) for end in known.ends}
    save_file(parts | {"model.norm.weight": np.ones(64, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="cannot be compared") as caught:
        open_model(tmp_path)
    assert f"the format {known.name}, which is not read" in str(caught.value)


def test_names_that_only_look_so_are_read(tmp_path: Path) -> None:
    parts = {f"{MODULE}.s": np.ones((8, 64), np.float32), f"{MODULE}.codes": np.ones((8, 64), np.float32)}
    save_file(parts, tmp_path / "model.safetensors")
    with open_model(tmp_path) as model:
        assert len(model.matrices) == 2


@pytest.mark.parametrize("packing", [each for each in UNREAD if each.methods], ids=lambda each: each.name)
def test_the_configuration_names_a_format_that_tensors_do_not(tmp_path: Path, packing: object) -> None:
    (known,) = [each for each in UNREAD if each is packing]
    save_file({f"{MODULE}.weight": np.ones((8, 64), np.uint8)}, tmp_path / "model.safetensors")
    quantization = {"quant_method": known.methods[0]}
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": quantization}))
    with pytest.raises(WeightsError, match=f"the format {known.name}, which is not read"):
        open_model(tmp_path)
