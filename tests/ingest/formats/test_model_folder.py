"""Tests of `ingest/formats/model_folder.py`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.model_folder import AdapterConfig, read_folder


def test_shards_stay_in_their_folder(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    for name in ("../secret.safetensors", "/etc/x.safetensors", "a\\b.safetensors", "weights.bin"):
        index.write_text(json.dumps({"weight_map": {"t": name}}))
        with pytest.raises(WeightsError, match="no file of this folder"):
            read_folder(tmp_path)
    index.write_text(json.dumps({"weight_map": {"t": "model-1.safetensors"}}))
    with pytest.raises(WeightsError, match="not there"):
        read_folder(tmp_path)
    save_file({"t": np.ones(3, np.float32)}, tmp_path / "model-1.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    found = read_folder(tmp_path)
    assert [file.name for file in found.files] == ["model-1.safetensors"]
    assert found.pickles == ["pytorch_model.bin"]
    index.write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_folder(tmp_path)


def test_the_scale_of_an_adapter() -> None:
    config = AdapterConfig(r=8, lora_alpha=16, rank_pattern={"q_proj": 4}, alpha_pattern={"v_proj": 32})
    assert [config.scale(f"model.layers.0.self_attn.{name}") for name in ("k_proj", "q_proj", "v_proj")] == [2, 4, 4]
    assert AdapterConfig(r=16, lora_alpha=16, use_rslora=True).scale("x") == 4
