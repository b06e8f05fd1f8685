"""Tests of `ingest/weights/fingerprints/model_stores.py`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import InputError
from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.model_stores import is_ollama_store, loose_models, ollama_models

BLOCK = {f"model.layers.{layer}.mlp.up_proj.weight": np.full((8, 64), layer, np.float32) for layer in range(2)}
LORA = {
    "lora_unet_down_0.lora_down.weight": np.ones((4, 64), np.float32),
    "lora_unet_down_0.lora_up.weight": np.ones((64, 4), np.float32),
}
OTHER_LORA = {name.replace("down_0", "up_1"): value for name, value in LORA.items()}


def found(folder: Path) -> list[str]:
    return [item.id for item in find_models([folder])]


def write_gguf(path: Path, rows: int = 8) -> None:
    """Write a GGUF file of one tensor: with more rows it is larger, as less quantized ones are."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor("blk.0.ffn_up.weight", np.ones((rows, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_models_of_lm_studio_have_their_names_on_the_hub(tmp_path: Path) -> None:
    """A folder an owner, in it one a repository: of several types the largest is read, and no projector is a model."""
    for folder, files in {
        "community/Tiny-GGUF": {"Tiny-Q4_K_M.gguf": 4, "Tiny-Q8_0.gguf": 8},
        "someone/Seeing-GGUF": {"Seeing-Q4_0.gguf": 8, "mmproj-Seeing-f16.gguf": 64},
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        for name, rows in files.items():
            write_gguf(tmp_path / folder / name, rows)
    assert found(tmp_path) == ["community/Tiny-GGUF", "someone/Seeing-GGUF"]
    for folder in ("community/Tiny-GGUF", "someone/Seeing-GGUF"):
        with open_model(tmp_path / folder) as model:
            assert [matrix.rows for matrix in model.matrices.values()] == [8]


def test_files_with_the_same_tensors_are_a_model_each(tmp_path: Path) -> None:
    for name in ("river", "pond", "lake"):
        save_file(BLOCK, tmp_path / f"{name}.safetensors")
    assert found(tmp_path) == [f"{tmp_path.name}/{name}" for name in ("lake", "pond", "river")]


def test_files_without_a_tensor_in_common_are_one_model(tmp_path: Path) -> None:
    for number, (name, value) in enumerate(BLOCK.items()):
        save_file({name: value}, tmp_path / f"part{number}.safetensors")
    assert found(tmp_path) == [tmp_path.name]


def test_adapters_are_a_model_each_whatever_they_change(tmp_path: Path) -> None:
    save_file(LORA, tmp_path / "a.safetensors")
    save_file(OTHER_LORA, tmp_path / "b.safetensors")
    assert found(tmp_path) == [f"{tmp_path.name}/a", f"{tmp_path.name}/b"]


def test_a_damaged_file_costs_itself(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    for name in ("river", "pond", "lake"):
        save_file(BLOCK, tmp_path / "m" / f"{name}.safetensors")
    (tmp_path / "m" / "pond.safetensors").write_bytes(b"x" * 100)
    report = fingerprint_all(find_models([tmp_path / "m"]), tmp_path / "out.parquet", lambda *_: None)
    assert report.made == 2
    assert list(report.failed) == ["m/pond"]


def test_a_mix_that_cannot_be_sorted_out_is_refused(tmp_path: Path) -> None:
    names = list(BLOCK)
    save_file({names[0]: BLOCK[names[0]]}, tmp_path / "a.safetensors")
    save_file({names[1]: BLOCK[names[1]]}, tmp_path / "b.safetensors")
    save_file(BLOCK, tmp_path / "c.safetensors")
    (item,) = find_models([tmp_path])
    assert "give each model a folder of its own" in item.problem


@pytest.mark.parametrize("name", ["model.safetensors", "model.safetensors.index.json"])
def test_where_names_show_it_files_are_one_model(tmp_path: Path, name: str) -> None:
    save_file(BLOCK, tmp_path / "first.safetensors")
    save_file(BLOCK, tmp_path / "second.safetensors")
    assert len(loose_models(tmp_path)) == 2
    if name.endswith(".json"):
        (tmp_path / name).write_text(json.dumps({"weight_map": dict.fromkeys(BLOCK, "first.safetensors")}))
    else:
        save_file(BLOCK, tmp_path / name)
    assert loose_models(tmp_path) == []


def test_gguf_files_are_one_model_where_only_the_quantization_differs(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    for name in ("river-7b-Q4_K_M", "river-7b.Q8_0", "river-7b-bf16", "river-7b-IQ2_XS"):
        write_gguf(tmp_path / "one" / f"{name}.gguf")
    assert found(tmp_path / "one") == ["one"]
    (tmp_path / "two").mkdir()
    for name, rows in {"river-7b-Q4_K_M": 8, "pond-1b-Q8_0": 16, "pond-1b-Q4_0": 8}.items():
        write_gguf(tmp_path / "two" / f"{name}.gguf", rows)
    items = find_models([tmp_path / "two"])
    assert [item.id for item in items] == ["two/pond-1b-Q8_0", "two/river-7b-Q4_K_M"]
    assert fingerprint_all(items, tmp_path / "out.parquet", lambda *_: None).made == 2


def manifest(store: Path, path: str, digest: str) -> None:
    file = store / "manifests" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    layers = [
        {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:" + "0" * 64},
        {"mediaType": "application/vnd.ollama.image.model", "digest": digest},
    ]
    file.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))


def test_the_store_of_ollama(tmp_path: Path) -> None:
    store = tmp_path / "models"
    (store / "blobs").mkdir(parents=True)
    write_gguf(store / "blobs" / ("sha256-" + "a" * 64))
    manifest(store, "registry.ollama.ai/library/river/7b", "sha256:" + "a" * 64)
    manifest(store, "hf.co/ann/pond/Q4_K_M", "sha256:" + "a" * 64)
    manifest(store, "registry.ollama.ai/library/gone/latest", "sha256:" + "b" * 64)
    manifest(store, "registry.ollama.ai/library/out/latest", "../../x")
    (store / "manifests" / "registry.ollama.ai/library/river/bad").write_text("{")
    assert is_ollama_store(store)
    assert not is_ollama_store(tmp_path)
    assert {each.name: bool(each.problem) for each in ollama_models(store)} == {
        "hf.co/ann/pond:Q4_K_M": False, "river:7b": False, "river:bad": True, "gone:latest": True, "out:latest": True,
    }  # fmt: skip
    report = fingerprint_all(find_models([tmp_path]), tmp_path / "out.parquet", lambda *_: None)
    assert (report.made, sorted(report.failed)) == (2, ["gone:latest", "out:latest", "river:bad"])


def test_modules_of_a_sentence_model_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "s" / "2_Dense").mkdir(parents=True)
    save_file(BLOCK, tmp_path / "s" / "model.safetensors")
    save_file({"linear.weight": np.ones((8, 64), np.float32)}, tmp_path / "s" / "2_Dense" / "model.safetensors")
    assert found(tmp_path) == ["s", "s/2_Dense"]
    modules = [{"idx": 0, "path": ""}, {"idx": 1, "path": "1_Pooling"}, {"idx": 2, "path": "2_Dense"}]
    (tmp_path / "s" / "modules.json").write_text(json.dumps(modules))
    assert found(tmp_path) == ["s"]


def test_what_is_there_is_never_taken_for_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ann").mkdir()
    os.mkfifo(tmp_path / "ann" / "pipe")
    (tmp_path / "ann" / "link").symlink_to("gone")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match="is not there"):
            find_models([Path("ann") / name])
