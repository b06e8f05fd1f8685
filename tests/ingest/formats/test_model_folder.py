"""Tests of `ingest/formats/model_folder.py`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from atlas_db.core.files import read_bounded
from ingest.formats.model_folder import (
    AdapterConfig,
    adapter_config,
    gguf_candidates,
    read_folder,
    safetensors_files,
)
from tests.support.malformed import MALFORMED_JSON


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
    assert found.others == {"pickle": ["pytorch_model.bin"]}
    index.write_text("{")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"base_model_name_or_path": "a/b", "r": 8}, AdapterConfig("a/b", 8)),
        ({"model": "a/b", "lora_parameters": {"rank": 4, "scale": 20.0}, "fine_tune_type": "lora"}, AdapterConfig("a/b", 4)),
        ({"r": 8.0, "rank_pattern": None, "alpha_pattern": {"q": [True]}, "use_rslora": None}, AdapterConfig("", 8)),
        ({"base_model_name_or_path": ["a", "b"], "r": None}, AdapterConfig()),
        ({"r": True}, AdapterConfig()), ({"r": float("inf")}, AdapterConfig()), ({}, AdapterConfig()),
    ],
)  # fmt: skip
def test_configurations_of_adapters(values: dict[str, Any], expected: AdapterConfig) -> None:
    assert adapter_config(values) == expected


def files_of(*names: str, index: dict[str, str] | None = None) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    body = json.dumps({"metadata": None, "weight_map": index or {}}).encode()
    return safetensors_files(names, "model", lambda _: body, notes), notes


INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("names", "index", "chosen"),
    [
        (("model.safetensors", "consolidated.safetensors"), {}, ["model.safetensors"]),
        (("model.safetensors", "optimizer.safetensors"), {}, ["model.safetensors"]),
        (("model.safetensors", "model.fp16.safetensors"), {}, ["model.safetensors"]),
        (("model.safetensors", INDEX), {"t": "model-00001-of-00002.safetensors"}, ["model.safetensors"]),
        (("a-1.safetensors", "a-2.safetensors", "extra.safetensors", INDEX), {"t": "a-1.safetensors", "u": "a-2.safetensors"},
         ["a-1.safetensors", "a-2.safetensors"]),
        (("diffusion_pytorch_model.safetensors", "ema.safetensors"), {}, ["diffusion_pytorch_model.safetensors"]),
        (("adapter_config.json", "adapter_model.safetensors", "model.safetensors"), {}, ["adapter_model.safetensors"]),
        (("adapter_config.json", "adapters.safetensors", "0000100_adapters.safetensors"), {}, ["adapters.safetensors"]),
        (("consolidated.safetensors",), {}, ["consolidated.safetensors"]),
        (("text.safetensors", "vision.safetensors", "optimizer.safetensors"), {}, ["text.safetensors", "vision.safetensors"]),
        (("config.json",), {}, []),
    ],
)  # fmt: skip
def test_which_files_are_the_model(names: tuple[str, ...], index: dict[str, str], chosen: list[str]) -> None:
    found, notes = files_of(*names, index=index)
    assert found == chosen
    assert len(notes) == (sum(name.endswith(".safetensors") for name in names) > len(chosen))


def test_gguf_files_by_their_names() -> None:
    sizes = {"m-Q4.gguf": 5, "m-Q8.gguf": 9, "mmproj-m-F32.gguf": 99, "m-imatrix.gguf": 50, "README.md": 1}
    assert gguf_candidates(sizes, "model") == [["m-Q8.gguf"], ["m-Q4.gguf"]]
    split = {f"m-0000{part}-of-00003.gguf": part for part in (3, 1, 2)} | {"small.gguf": 5}
    assert gguf_candidates(split, "model") == [[f"m-0000{part}-of-00003.gguf" for part in (1, 2, 3)], ["small.gguf"]]
    del split["m-00002-of-00003.gguf"]
    with pytest.raises(WeightsError, match="lacks part 2 of 3"):
        gguf_candidates(split, "model")
    assert gguf_candidates({"README.md": 1}, "model") == []


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"num_attention_heads": NaN, "x": Infinity}', b"\xff"])
def test_a_configuration_that_cannot_be_read_costs_no_weights(tmp_path: Path, body: bytes) -> None:
    save_file({"t": np.ones(3, np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(body)
    found = read_folder(tmp_path)
    assert [file.name for file in found.files] == ["model.safetensors"]
    assert len(found.notes) == (b"NaN" not in body)


@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=MALFORMED_JSON)
def test_an_index_of_shards_that_cannot_be_read_is_named(tmp_path: Path, body: bytes) -> None:
    save_file({"t": np.ones(3, np.float32)}, tmp_path / "model-00001-of-00001.safetensors")
    (tmp_path / INDEX).write_bytes(body)
    with pytest.raises(WeightsError, match=rf"{INDEX} cannot be read \("):
        read_folder(tmp_path)


def test_configurations_and_indexes_are_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"t": np.ones(3, np.float32)}, tmp_path / "m.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    bounded = partial(read_bounded, limit=20)
    monkeypatch.setattr("ingest.formats.model_folder.read_bounded", bounded)
    found = read_folder(tmp_path)
    assert (found.config, len(found.notes)) == ({}, 1) and "longer than" in found.notes[0]
    (tmp_path / INDEX).write_text('{"weight_map": {"t": "m.safetensors"}}')
    with pytest.raises(WeightsError, match="longer than"):
        read_folder(tmp_path)
