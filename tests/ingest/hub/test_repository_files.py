"""Tests of `ingest/hub/repository_files.py`: real files, written by the tools' own libraries."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.hub.repository_files import MAX_TEXT, read_statements


def write_gguf(path: Path, base: str = "", *, tensors: bool = True, tokens: int = 5000) -> None:
    """Write a GGUF file with llama.cpp's own writer, a vocabulary after the general keys."""
    writer = gguf.GGUFWriter(path, "llama")
    if base:
        writer.add_license("llama3")
        writer.add_base_model_count(1)
        writer.add_base_model_repo_url(0, base)
    writer.add_token_list([f"token{number}" for number in range(tokens)])
    if tensors:
        writer.add_tensor("x.weight", np.zeros((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    if tensors:
        writer.write_tensors_to_file()
    else:
        writer.write_ti_data_to_file()
    writer.close()


def test_what_each_kind_of_file_states(tmp_path: Path) -> None:
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "b.safetensors", metadata={"ss_sd_model_name": "a/base"})
    write_gguf(tmp_path / "m-Q4.gguf", "https://huggingface.co/acme/river")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "acme/river", "lora_dropout": NaN}')
    (tmp_path / "mergekit_config.yml").write_text("merge_method: linear\nmodels:\n- model: a/b\n")
    (tmp_path / "axolotl_config.yaml").write_text("base_model: acme/river\n")
    found, notes = read_statements(tmp_path)
    assert notes == []
    assert found["safetensors"] == {"ss_sd_model_name": "a/base"}
    assert found["gguf"]["general.base_model.0.repo_url"] == "https://huggingface.co/acme/river"
    assert found["gguf"]["general.license"] == "llama3"
    assert "tokenizer.ggml.tokens" not in found["gguf"]
    assert found["adapter_config"]["base_model_name_or_path"] == "acme/river"
    assert found["merge_config"].startswith("merge_method")
    assert found["training_args"] == {"base_model": "acme/river"}


def test_files_that_cannot_be_read_are_noted_and_cost_no_other(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{")
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 64)
    (tmp_path / "mergekit_config.yml").write_bytes(b"#" * (MAX_TEXT + 1))
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "training_args.json").write_text("[1]")
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "b.safetensors", metadata={"format": "pt"})
    found, notes = read_statements(tmp_path)
    assert found == {"safetensors": {"format": "pt"}}
    assert sorted(text.partition(":")[0] for _, text in notes) == [
        "a.safetensors", "adapter_config.json", "m.gguf", "mergekit_config.yml", "training_args.json",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["training_args.json", "train_config.json", "args.json", "hparams.json", "sft.json"])
def test_names_of_training_arguments(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"model": "a/b"}))
    assert read_statements(tmp_path)[0] == {"training_args": {"model": "a/b"}}


@pytest.mark.parametrize("name", ["trainer_state.json", "config.json", "tokenizer_config.json", "training_args.bin"])
def test_other_files_are_no_training_arguments(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"model": "a/b"}))
    assert read_statements(tmp_path) == ({}, [])


BASE = "https://huggingface.co/acme/river"


@pytest.mark.parametrize("tokens", [1, 5000, 120_000])
@pytest.mark.parametrize("tensors", [True, False])
@pytest.mark.parametrize("cut", [0, 100])
def test_a_gguf_file_without_tensors_or_cut_in_them_still_states_its_base(
    tmp_path: Path, tokens: int, tensors: bool, cut: int
) -> None:
    write_gguf(tmp_path / "river.gguf", BASE, tensors=tensors, tokens=tokens)
    if cut and tensors:
        body = (tmp_path / "river.gguf").read_bytes()
        (tmp_path / "river.gguf").write_bytes(body[:-cut])
    found, notes = read_statements(tmp_path)
    assert (found["gguf"]["general.base_model.0.repo_url"], notes) == (BASE, [])


def test_a_gguf_file_cut_within_its_pairs_is_noted(tmp_path: Path) -> None:
    write_gguf(tmp_path / "river.gguf", BASE)
    body = (tmp_path / "river.gguf").read_bytes()
    for end in (100, body.index(b"token7"), body.index(b"token4999") + 5):
        (tmp_path / "river.gguf").write_bytes(body[:end])
        found, notes = read_statements(tmp_path)
        assert (found, len(notes)) == ({}, 1)


@pytest.mark.parametrize("other", ["a-mmproj.gguf", "imatrix.gguf", "a-river-Q2.gguf"])
def test_the_gguf_file_that_states_something_is_read(tmp_path: Path, other: str) -> None:
    write_gguf(tmp_path / other)
    write_gguf(tmp_path / "river-Q4.gguf", BASE)
    assert read_statements(tmp_path)[0]["gguf"]["general.base_model.0.repo_url"] == BASE
    write_gguf(tmp_path / other, "https://huggingface.co/clip/projector")
    (tmp_path / "river-Q4.gguf").unlink()
    stated = read_statements(tmp_path)[0]["gguf"]["general.base_model.0.repo_url"]
    assert stated == "https://huggingface.co/clip/projector"


@pytest.mark.parametrize("silent", ["a.safetensors", "optimizer.safetensors", "z.safetensors"])
def test_the_safetensors_file_that_states_something_is_read(tmp_path: Path, silent: str) -> None:
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / silent, metadata={"format": "pt"})
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "m.safetensors", metadata={"base_model": "acme/river"})
    assert read_statements(tmp_path)[0]["safetensors"] == {"base_model": "acme/river"}
    # A file that a loader would not take says nothing of the model.
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert read_statements(tmp_path)[0]["safetensors"] == {"format": "pt"}


@pytest.mark.parametrize(
    "text",
    ["base_model: a/b\n---\nx: 1\n", "---\nx: 1\n---\nbase_model: a/b\n...\n", "x: 1\r\n---\r\nbase_model: a/b\r\n",
     "base_model: a/b\n---\nbase_model: c/d\n"],
)  # fmt: skip
def test_training_arguments_in_several_documents(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.yaml").write_bytes(text.encode())
    found, notes = read_statements(tmp_path)
    assert (found["training_args"]["base_model"], notes) == ("a/b", [])
