"""Tests of `ingest/formats/declared_names.py`: names of files as memory has them, by transformers' own declarations."""

from __future__ import annotations

import time

import pytest

from ingest.formats.declared_names import LEGACY, MAX_NAME_LENGTH, declarations, model_names

LAYER = "layers.3"


@pytest.mark.parametrize(
    ("architecture", "stored", "names"),
    [
        ("ViTForImageClassification", "vit.encoder.layer.3.attention.attention.query.weight",
         [f"vit.{LAYER}.attention.q_proj.weight"]),
        ("ViTForImageClassification", "vit.encoder.layer.3.attention.output.dense.bias",
         [f"vit.{LAYER}.attention.o_proj.bias"]),
        ("ViTModel", "encoder.layer.3.output.dense.weight", [f"{LAYER}.mlp.fc2.weight"]),
        ("ViTModel", f"{LAYER}.mlp.fc2.weight", [f"{LAYER}.mlp.fc2.weight"]),
        ("MixtralForCausalLM", f"model.{LAYER}.block_sparse_moe.experts.11.w3.weight",
         [f"model.{LAYER}.mlp.experts.11.up_proj.weight"]),
        ("Qwen3MoeForCausalLM", f"model.{LAYER}.mlp.experts.11.up_proj.weight",
         [f"model.{LAYER}.mlp.experts.11.up_proj.weight"]),
        ("GPTNeoXForCausalLM", "embed_out.weight", ["lm_head.weight"]),
        ("Dinov2Model", "encoder.layer.0.mlp.weights_in.weight",
         ["encoder.layer.0.mlp.gate_proj.weight", "encoder.layer.0.mlp.up_proj.weight"]),
        ("WhisperEncoder", f"{LAYER}.fc1.weight", [f"encoder.{LAYER}.fc1.weight"]),
        ("WhisperForAudioClassification", f"encoder.{LAYER}.fc1.weight", [f"encoder.{LAYER}.fc1.weight"]),
        ("LlamaForCausalLM", f"model.{LAYER}.mlp.up_proj.weight", [f"model.{LAYER}.mlp.up_proj.weight"]),
    ],
)  # fmt: skip
def test_a_name_in_a_file_is_that_in_memory(architecture: str, stored: str, names: list[str]) -> None:
    assert list(model_names({"architectures": [architecture]}).in_memory(stored)) == names


@pytest.mark.parametrize("stated", [{}, {"architectures": None}, {"architectures": [3]}, {"architectures": "ViTModel"},
                                    {"architectures": [], "model_type": 7}, {"model_type": ["vit"]}])  # fmt: skip
def test_a_configuration_that_states_nothing_leaves_names_as_they_are(stated: dict[str, object]) -> None:
    name = "encoder.layer.3.attention.attention.query.weight"
    assert model_names(stated).in_memory(name) == (name,)


@pytest.mark.parametrize("stated", [{}, {"architectures": ["BertModel"]}, {"architectures": ["ViTModel"]}])
def test_names_of_the_oldest_versions_are_those_of_today(stated: dict[str, object]) -> None:
    assert model_names(stated).in_memory("x.0.LayerNorm.gamma") == ("x.0.LayerNorm.weight",)


def test_a_class_that_is_not_known_has_the_names_of_its_type() -> None:
    names = model_names({"architectures": ["MyViT"], "model_type": "vit"})
    assert names.in_memory("encoder.layer.3.output.dense.weight") == (f"{LAYER}.mlp.fc2.weight",)


def test_only_conv1d_is_stored_in_by_out() -> None:
    gpt2 = model_names({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"})
    assert gpt2.is_transposed("transformer.h.0.attn.c_attn.weight")
    assert not gpt2.is_transposed("transformer.wte.weight")
    bigcode = model_names({"architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode"})
    assert not bigcode.is_transposed("transformer.h.0.attn.c_attn.weight")


@pytest.mark.parametrize("piece", ["experts.", "experts.1.w1.", "model.", "layers.1.", "a", ".", "attention.query"])
def test_no_name_takes_long(piece: str) -> None:
    names = [(piece * 300)[:length] for length in (MAX_NAME_LENGTH, 10 * MAX_NAME_LENGTH)]
    start = time.process_time()
    for architecture in declarations().classes:
        for name in names:
            model_names({"architectures": [architecture]}).in_memory(name)
    assert time.process_time() - start < 20


def test_every_class_names_conversions_that_exist() -> None:
    declared = declarations()
    used = {key for _, steps in declared.classes.values() for key, _ in steps}
    assert used | {LEGACY} == set(declared.conversions)
    assert set(declared.model_types.values()) <= set(declared.classes)
    assert declared.source.startswith("transformers 5.")
