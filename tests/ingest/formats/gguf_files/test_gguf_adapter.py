"""Tests of `ingest/formats/gguf_files/gguf_adapter.py`, on files laid out as by llama.cpp's converter of adapters."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from tests.support.adapters import numbers, traces_of, write_adapter
from tests.support.gguf_files import write_gguf

RANK, WIDTH, INNER, WORDS = 4, 32, 48, 64


def write_gguf_adapter(path: Path, tensors: dict[str, np.ndarray], architecture: str = "llama") -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    writer.add_base_model_count(1)
    writer.add_base_model_repo_url(0, "https://huggingface.co/acme/river")
    for name, value in tensors.items():
        writer.add_tensor(name, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_factors_are_those_of_peft(tmp_path: Path) -> None:
    down, up = numbers(RANK, INNER), numbers(WIDTH, RANK)
    words, values = numbers(RANK, WORDS), numbers(WIDTH, RANK, seed=4)
    stored = {
        "layers.0.mlp.down_proj.lora_A.weight": down,
        "layers.0.mlp.down_proj.lora_B.weight": up,
        "embed_tokens.lora_embedding_A": words,
        "embed_tokens.lora_embedding_B": values,
    }
    folder = write_adapter(tmp_path / "peft", stored, r=RANK)
    file = write_gguf_adapter(
        tmp_path / "lora.gguf",
        {
            "blk.0.ffn_down.weight.lora_a": down,
            "blk.0.ffn_down.weight.lora_b": up,
            "token_embd.weight.lora_a": words.T,
            "token_embd.weight.lora_b": values,
        },
    )
    with open_model(folder) as one, open_model(file) as other:
        assert other.adapter is not None
        assert other.adapter.base_model_name_or_path == "acme/river"
        assert other.adapter.r == RANK
        assert other.container == "gguf"
        assert one.matrices.keys() == other.matrices.keys()
        for name, matrix in one.matrices.items():
            rows = np.arange(matrix.rows)
            np.testing.assert_array_equal(other.matrices[name].read(rows), matrix.read(rows))
    found, wanted = traces_of(file), traces_of(folder)
    assert found.kind == wanted.kind == "LoRA"
    for update, expected in zip(found.updates, wanted.updates, strict=True):
        np.testing.assert_array_equal(update.left @ update.right.T, expected.left @ expected.right.T)


@pytest.mark.parametrize(
    ("architecture", "module", "reason"),
    [("llama", "attn_q", "heads"), ("llama", "attn_k", "heads"), ("bloom", "attn_qkv", "heads"),
     ("gpt2", "ffn_up", "in × out")],
)  # fmt: skip
def test_what_the_file_does_not_tell_is_left_out(tmp_path: Path, architecture: str, module: str, reason: str) -> None:
    tensors = {
        f"blk.0.{part}.weight.lora_{side}": numbers(WIDTH, RANK) if side == "b" else numbers(RANK, WIDTH)
        for part in (module, "attn_v")
        for side in "ab"
    }
    with open_model(write_gguf_adapter(tmp_path / "lora.gguf", tensors, architecture)) as model:
        assert len(model.matrices) == 2
        assert not any(module in name for name in model.matrices)
        assert any(reason in problem for problem in model.problems)


def test_updates_of_experts_are_left_out(tmp_path: Path) -> None:
    tensors = {"blk.0.ffn_up_exps.weight.lora_a": numbers(2, RANK, WIDTH), "blk.0.attn_v.weight.lora_a": numbers(4, 8)}
    with open_model(write_gguf_adapter(tmp_path / "lora.gguf", tensors)) as model:
        assert list(model.matrices) == ["layers.0.self_attn.v_proj.lora_A.weight"]
        assert "experts" in model.problems[0]


def test_norms_that_mergekit_adds_are_kept(tmp_path: Path) -> None:
    norm = numbers(WIDTH)
    tensors = {"blk.0.attn_norm.weight": norm, "blk.0.attn_v.weight.lora_a": numbers(4, 8)}
    with open_model(write_gguf_adapter(tmp_path / "lora.gguf", tensors)) as model:
        found = model.matrices["layers.0.input_layernorm.weight"].read(np.array([0]))[0]
    np.testing.assert_array_equal(found, norm)


def test_a_model_beside_an_adapter_is_the_one_that_is_read(tmp_path: Path) -> None:
    write_gguf_adapter(tmp_path / "lora.gguf", {"blk.0.attn_v.weight.lora_a": numbers(64, 512)})
    write_gguf(tmp_path / "model.gguf", {"blk.0.ffn_up.weight": numbers(8, WIDTH)}, "F32")
    with open_model(tmp_path) as model:
        assert model.adapter is None
        assert list(model.matrices) == ["layers.0.mlp.up_proj.weight"]


def test_an_adapter_without_a_factor_that_can_be_read_is_refused(tmp_path: Path) -> None:
    tensors = {"blk.0.attn_q.weight.lora_a": numbers(4, 8), "blk.0.attn_q.weight.lora_b": numbers(8, 4)}
    with pytest.raises(WeightsError, match="no tensor that can be read"):
        open_model(write_gguf_adapter(tmp_path / "lora.gguf", tensors))
