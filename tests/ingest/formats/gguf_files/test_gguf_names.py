"""Tests of `ingest/formats/gguf_files/gguf_names.py`, against the map of names in llama.cpp's own package."""

from __future__ import annotations

import gguf
import pytest

from ingest.formats.gguf_files.gguf_names import FUSED_BY_HEAD, PERMUTED, SHIFTED_NORMS, names_from_gguf
from ingest.formats.tensor_names import canonical_names

LLAMA = """model.embed_tokens.weight model.layers.3.self_attn.q_proj.weight model.layers.3.self_attn.k_proj.bias
model.layers.3.self_attn.v_proj.weight model.layers.3.self_attn.o_proj.weight model.layers.3.mlp.gate_proj.weight
model.layers.3.mlp.up_proj.weight model.layers.3.mlp.down_proj.weight model.layers.3.input_layernorm.weight
model.norm.weight lm_head.weight"""
NAMES = {
    ("llama", "LlamaForCausalLM"): LLAMA + " model.layers.3.post_attention_layernorm.weight",
    ("qwen3", "Qwen3ForCausalLM"): LLAMA + " model.layers.3.self_attn.q_norm.weight",
    ("gemma2", "Gemma2ForCausalLM"): """model.embed_tokens.weight model.layers.3.post_attention_layernorm.weight
        model.layers.3.pre_feedforward_layernorm.weight model.layers.3.post_feedforward_layernorm.weight""",
    ("phi3", "Phi3ForCausalLM"): """model.layers.3.self_attn.qkv_proj.weight model.layers.3.mlp.gate_up_proj.weight
        model.layers.3.mlp.down_proj.weight""",
    ("phi2", "PhiForCausalLM"): """model.layers.3.self_attn.dense.weight model.layers.3.mlp.fc1.weight
        model.layers.3.mlp.fc2.bias model.final_layernorm.weight""",
    ("gptneox", "GPTNeoXForCausalLM"): """gpt_neox.embed_in.weight gpt_neox.final_layer_norm.weight
        gpt_neox.layers.3.attention.query_key_value.weight gpt_neox.layers.3.attention.dense.weight
        gpt_neox.layers.3.mlp.dense_h_to_4h.weight gpt_neox.layers.3.mlp.dense_4h_to_h.weight""",
    ("bloom", "BloomForCausalLM"): """transformer.word_embeddings.weight transformer.ln_f.weight
        transformer.h.3.self_attention.query_key_value.weight transformer.h.3.mlp.dense_4h_to_h.weight""",
    ("bert", "BertModel"): """embeddings.word_embeddings.weight embeddings.token_type_embeddings.weight
        embeddings.LayerNorm.weight encoder.layer.3.attention.self.query.weight
        encoder.layer.3.attention.output.dense.bias encoder.layer.3.attention.output.LayerNorm.weight
        encoder.layer.3.intermediate.dense.weight encoder.layer.3.output.dense.weight
        encoder.layer.3.output.LayerNorm.bias""",
    ("bert", "DistilBertModel"): """embeddings.word_embeddings.weight transformer.layer.3.attention.q_lin.weight
        transformer.layer.3.sa_layer_norm.weight transformer.layer.3.ffn.lin1.weight transformer.layer.3.ffn.lin2.bias""",
    ("modern-bert", "ModernBertModel"): """embeddings.tok_embeddings.weight layers.3.attn.Wqkv.weight
        layers.3.attn.Wo.weight layers.3.mlp.Wi.weight layers.3.mlp.Wo.weight final_norm.weight""",
    ("qwen2moe", "Qwen2MoeForCausalLM"): """model.layers.3.mlp.gate.weight
        model.layers.3.mlp.shared_expert.up_proj.weight model.layers.3.mlp.shared_expert_gate.weight""",
    ("deepseek2", "DeepseekV3ForCausalLM"): """model.layers.3.self_attn.q_a_proj.weight
        model.layers.3.self_attn.kv_a_proj_with_mqa.weight model.layers.3.self_attn.kv_b_proj.weight
        model.layers.3.mlp.shared_experts.down_proj.weight""",
    ("lfm2", "Lfm2ForCausalLM"): """model.layers.3.self_attn.out_proj.weight model.layers.3.feed_forward.w1.weight
        model.layers.3.operator_norm.weight model.layers.3.ffn_norm.weight model.embedding_norm.weight""",
    ("starcoder2", "Starcoder2ForCausalLM"): "model.layers.3.mlp.c_fc.weight model.layers.3.mlp.c_proj.weight",
    ("hunyuan-dense", "HunYuanDenseV1ForCausalLM"): "model.layers.3.self_attn.query_layernorm.weight",
    ("t5", "T5ForConditionalGeneration"): """shared.weight encoder.block.3.layer.0.SelfAttention.q.weight
        encoder.block.3.layer.1.DenseReluDense.wi_0.weight encoder.block.3.layer.1.DenseReluDense.wi_1.weight
        decoder.block.3.layer.1.EncDecAttention.k.weight decoder.block.3.layer.2.DenseReluDense.wo.weight
        decoder.final_layer_norm.weight lm_head.weight""",
}  # fmt: skip


@pytest.mark.parametrize(("architecture", "kind"), NAMES, ids=lambda each: each)
def test_names_come_back_as_transformers_has_them(architecture: str, kind: str) -> None:
    wanted = NAMES[architecture, kind].split()
    number = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}[architecture]
    names = gguf.get_tensor_name_map(number, 4)
    stored = {name: names.get_name(name, try_suffixes=(".weight", ".bias")) for name in wanted}
    assert None not in stored.values()
    found = names_from_gguf([each for each in stored.values() if each is not None], architecture)
    expected = canonical_names(wanted, {"architectures": [kind]})
    assert {name: found[str(stored[name])] for name in wanted} == {name: expected[name][0] for name in wanted}


def test_experts_one_by_one_and_all_in_one() -> None:
    """Files of 2023 have a tensor for each expert; later ones have one for all of them."""
    found = names_from_gguf(["blk.3.ffn_gate.7.weight", "blk.3.ffn_up_exps.weight", "rope_freqs.weight"], "llama")
    assert list(found.values()) == [
        "layers.3.mlp.experts.7.gate_proj.weight", "layers.3.mlp.experts.up_proj.weight", "rope_freqs.weight",
    ]  # fmt: skip


def test_every_architecture_is_one_of_llama_cpp() -> None:
    assert set(gguf.MODEL_ARCH_NAMES.values()) >= PERMUTED | FUSED_BY_HEAD | SHIFTED_NORMS
