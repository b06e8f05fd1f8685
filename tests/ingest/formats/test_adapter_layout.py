"""Tests of `ingest/formats/adapter_layout.py`: layouts as peft 0.21.2, diffusers 0.42.1 and kohya's trainer write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ingest.formats.adapter_layout import ModuleIndex, adapter_kind, adapter_tensor, holds_adapter, untraced_kind
from ingest.formats.model_folder import AdapterConfig
from ingest.formats.open_model import open_model
from tests.support.families import root, write

BLOCK = "base_model.model.model.layers.0.self_attn.q_proj"
UNET = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
FLAT = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_k"


@pytest.mark.parametrize(
    ("name", "module", "role"),
    [
        (f"{BLOCK}.lora_A.weight", BLOCK, "lora_down"), (f"{BLOCK}.lora_B.weight", BLOCK, "lora_up"),
        (f"{BLOCK}.lora_A.default.weight", BLOCK, "lora_down"), (f"{BLOCK}.lora_A", BLOCK, "lora_down"),
        (f"{BLOCK}.lora_E", BLOCK, "lora_scale"), (f"{BLOCK}.lora_magnitude_vector", BLOCK, "magnitude"),
        (f"unet.{UNET}.to_k.lora.down.weight", f"unet.{UNET}.to_k", "lora_down"),
        (f"{UNET}.processor.to_q_lora.up.weight", f"{UNET}.to_q", "lora_up"),
        ("text_model.encoder.layers.0.q_proj.lora_linear_layer.up.weight", "text_model.encoder.layers.0.q_proj", "lora_up"),
        (f"{FLAT}.lora_down.weight", FLAT, "lora_down"), (f"{FLAT}.alpha", FLAT, "alpha"),
        (f"{FLAT}.dora_scale", FLAT, "magnitude"), (f"{FLAT}.diff", FLAT, "difference"),
        (f"{BLOCK}.hada_w1_a", BLOCK, "hada_w1_a"), (f"{FLAT}.lokr_w2_b", FLAT, "lokr_w2_b"),
        (f"{BLOCK}.oft_R.weight", BLOCK, "oft_R"), (f"{BLOCK}.boft_s", BLOCK, "boft_s"),
        (f"{BLOCK}.vera_lambda_b", BLOCK, "vera_lambda_b"), ("base_model.vera_A", "base_model", "vera_A"),
        (f"{BLOCK}.ia3_l", BLOCK, "ia3_l"), (f"{BLOCK}.shira_weight", BLOCK, "shira_weight"),
        ("model.norm.ln_tuning_layers.weight", "model.norm", "ln_tuning_layers"),
        ("model.embed_tokens.token_adapter.trainable_tokens_delta", "model.embed_tokens", "trainable_tokens_delta"),
        ("model.embed_tokens.base_layer.weight", "model.embed_tokens", "base"),
        ("model.embed_tokens.lora_embedding_A", "model.embed_tokens", "embedding_down"),
        ("score.modules_to_save.weight", "score", "copy"), ("lm_head.weight", "lm_head", "copy"),
        ("layers.0.mlp.experts.base_layer.lora_B.weight", "layers.0.mlp.experts.base_layer", "lora_up"),
        (f"{BLOCK}.lora_B.bias", f"{BLOCK}.lora_B", "bias"), ("prompt_embeddings", "prompt_embeddings", ""),
        ("x" * 100_000 + ".lora_A.weight", "x" * 100_000 + ".lora_A.weight", ""),
    ],
)  # fmt: skip
def test_what_a_tensor_is_of_which_module(name: str, module: str, role: str) -> None:
    assert adapter_tensor(name) == (module, role)


@pytest.mark.parametrize(
    ("roles", "kind"),
    [
        ({"lora_down", "lora_up", "copy"}, "LoRA"), ({"lora_down", "lora_up", "magnitude"}, "DoRA"),
        ({"lora_down", "lora_up", "lora_scale"}, "AdaLoRA"), ({"hada_w1_a", "alpha"}, "LoHa"), ({"lokr_w1"}, "LoKr"),
        ({"oft_R"}, "OFT"), ({"boft_R", "boft_s"}, "BOFT"), ({"vera_A", "vera_lambda_d"}, "VeRA"), ({"ia3_l"}, "IA3"),
        ({"ln_tuning_layers"}, "LN tuning"), ({"trainable_tokens_delta"}, "token rows"), ({"bone_block"}, "MiSS"),
        ({"randlora_gamma"}, "randlora"), ({"copy", ""}, ""), (set(), ""),
    ],
)  # fmt: skip
def test_kinds_by_their_tensors(roles: set[str], kind: str) -> None:
    assert adapter_kind(roles) == kind


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([f"{BLOCK}.ia3_l"], "IA3"), ([f"{BLOCK}.boft_R", f"{BLOCK}.boft_s"], "BOFT"),
        ([f"{BLOCK}.vera_lambda_b", "base_model.vera_A"], "VeRA"), ([f"{BLOCK}.ia3_l", "score.weight"], ""),
        ([f"{BLOCK}.lora_A.weight", f"{BLOCK}.lora_B.weight"], ""), ([f"{BLOCK}.oft_R.weight"], ""),
        (["prompt_embeddings"], ""), ([], ""),
    ],
)  # fmt: skip
def test_kinds_that_keep_no_trace_of_their_base(names: list[str], kind: str) -> None:
    assert untraced_kind(names) == kind


def test_a_file_of_updates_is_an_adapter_and_a_whole_model_with_updates_is_none() -> None:
    pair = [f"{BLOCK}.lora_A.weight", f"{BLOCK}.lora_B.weight"]
    assert holds_adapter([*pair, "lm_head.weight"]) and holds_adapter([f"{FLAT}.hada_w1_a", f"{FLAT}.alpha"])
    assert not holds_adapter([*pair, f"{BLOCK}.base_layer.weight"]), "peft's own state, base and all"
    assert not holds_adapter(["layers.0.q_proj.weight", "layers.0.alpha"])
    assert not holds_adapter([]) and not holds_adapter(["score.weight"])


def test_modules_are_found_whatever_the_prefix_and_the_separator() -> None:
    known = [
        f"{UNET}.to_k.weight",
        f"{UNET}.to_out.0.weight",
        "encoder.layers.0.fc1.weight",
        "decoder.layers.0.fc1.weight",
    ]
    index = ModuleIndex([*known, "diffusion_model.input_blocks.1.1.proj.weight", "norm.weight"], {})
    for module in (f"unet.{UNET}.to_k", f"{UNET}.to_k", FLAT):
        assert index.find(module) == f"{UNET}.to_k.weight"
    assert index.find(f"unet.{UNET}.to_out") == f"{UNET}.to_out.0.weight", "as old attention processors are named"
    assert index.find("base_model.model.model.decoder.layers.0.fc1") == "decoder.layers.0.fc1.weight"
    assert index.find("layers.0.fc1") is None, "encoder or decoder"
    assert index.find("lora_unet_input_blocks_1_1_proj") == "diffusion_model.input_blocks.1.1.proj.weight"
    assert index.find("layers.7.fc1") is None and index.find("") is None


def test_adapters_with_names_of_files_meet_names_in_memory() -> None:
    """ViT: files have `encoder.layer.N.attention.attention.query`, memory has `layers.N.attention.q_proj`."""
    config = {"model_type": "vit", "architectures": ["ViTForImageClassification"]}
    index = ModuleIndex(["layers.0.attention.q_proj.weight"], config)
    for module in ("base_model.model.vit.layers.0.attention.q_proj", "vit.encoder.layer.0.attention.attention.query"):
        assert index.find(module) == "layers.0.attention.q_proj.weight"


def factors(module: str, down: str, up: str, rank: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {f"{module}{down}": rng.normal(size=(rank, 32)).astype(np.float32),
            f"{module}{up}": rng.normal(size=(32, rank)).astype(np.float32)}  # fmt: skip


@pytest.mark.parametrize(
    ("tensors", "metadata", "expected"),
    [
        (factors(f"unet.{UNET}.to_k", ".lora.down.weight", ".lora.up.weight"), {"format": "pt"}, AdapterConfig("", 4)),
        (factors(f"{UNET}.to_k", ".lora_A.weight", ".lora_B.weight"),
         {"lora_adapter_metadata": json.dumps({"unet.r": 4, "unet.base_model_name_or_path": "o/base"})}, AdapterConfig("o/base", 4)),
        (factors(FLAT, ".lora_down.weight", ".lora_up.weight", 8) | {f"{FLAT}.alpha": np.float32(8)},
         {"ss_network_dim": "8", "ss_sd_model_name": "sd_xl_base_1.0.safetensors"}, AdapterConfig("", 8)),
        (factors(FLAT, ".lora_down.weight", ".lora_up.weight"), {"ss_sd_model_name": "o/base"}, AdapterConfig("o/base", 4)),
        (factors(FLAT, ".lora_down.weight", ".lora_up.weight"),
         {"lora_adapter_metadata": "[", "ss_network_dim": "x", "ss_sd_model_name": "C:\\m\\base.ckpt"}, AdapterConfig("", 4)),
        (factors(FLAT, ".lora_down.weight", ".lora_up.weight"), {"ss_network_dim": "9" * 5000}, AdapterConfig("", 4)),
    ],
)  # fmt: skip
def test_files_without_a_configuration(
    tmp_path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str], expected: AdapterConfig
) -> None:
    save_file({name: np.asarray(value) for name, value in tensors.items()}, tmp_path / "my-style.safetensors", metadata)
    with open_model(tmp_path) as model:
        assert model.adapter == expected and len(model.matrices) == len(tensors)


def test_checkpoints_of_one_adapter_are_one_adapter(tmp_path: Path) -> None:
    for name in ("style-000002.safetensors", "style.safetensors"):
        save_file(factors(FLAT, ".lora_down.weight", ".lora_up.weight"), tmp_path / name)
    with open_model(tmp_path) as model:
        assert len(model.matrices) == 2
        assert "style.safetensors holds the same tensors as another file" in model.problems[0]


def test_positions_of_a_sparse_adapter_are_no_unknown_packing(tmp_path: Path) -> None:
    part = {f"{BLOCK}.shira_weight": np.ones(40, np.float32), f"{BLOCK}.shira_indices": np.zeros((2, 40), np.int32)}
    save_file(part, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "SHIRA", "r": 4}))
    with open_model(tmp_path) as model:
        assert model.adapter == AdapterConfig("", 4) and not model.problems and len(model.matrices) == 1


def test_a_whole_model_is_no_adapter(tmp_path: Path) -> None:
    with open_model(write(tmp_path / "whole", root(1))) as model:
        assert model.adapter is None
