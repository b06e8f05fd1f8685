"""Names and orders of rows that llama.cpp's converter changes, by architecture, turned back to those of transformers.

Names are those of gguf-py's `tensor_mapping`, orders those of `convert_hf_to_gguf` and its classes. An architecture
that is not listed has the names of Llama, and rows in order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple


class _Names(NamedTuple):
    """Names of one architecture, where they differ from Llama's.

    Attributes:
        blocks: What a block's number follows.
        stems: llama.cpp's names to those of transformers, within blocks and outside.
    """

    blocks: str = "layers"
    stems: Mapping[str, str] = {}


_LLAMA = {
    "token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
    "ffn_gate_exps": "mlp.experts.gate_proj", "ffn_up_exps": "mlp.experts.up_proj",
    "ffn_down_exps": "mlp.experts.down_proj", "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
    "ffn_up_shexp": "mlp.shared_experts.up_proj", "ffn_down_shexp": "mlp.shared_experts.down_proj",
    "attn_qkv": "self_attn.qkv_proj", "attn_q_a": "self_attn.q_a_proj", "attn_q_a_norm": "self_attn.q_a_layernorm",
    "attn_q_b": "self_attn.q_b_proj", "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa",
    "attn_kv_a_norm": "self_attn.kv_a_layernorm", "attn_kv_b": "self_attn.kv_b_proj", "attn_sinks": "self_attn.sinks",
    "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
}  # fmt: skip
_GEMMA = {"ffn_norm": "pre_feedforward_layernorm"}
_SHARED_EXPERT = {
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj", "ffn_up_shexp": "mlp.shared_expert.up_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj", "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
}  # fmt: skip
_EMBEDDINGS = {
    "token_embd": "embeddings.word_embeddings", "position_embd": "embeddings.position_embeddings",
    "token_types": "embeddings.token_type_embeddings", "token_embd_norm": "embeddings.LayerNorm",
}  # fmt: skip
_GPT2 = {
    "token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f", "attn_norm": "ln_1", "ffn_norm": "ln_2",
    "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
}  # fmt: skip
_HIDDEN_4 = {"ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h"}
_NAMES = {
    "gemma2": _Names(stems=_GEMMA),
    "gemma3": _Names(stems=_GEMMA),
    "gemma-embedding": _Names(stems=_GEMMA),
    "phi3": _Names(stems={"ffn_up": "mlp.gate_up_proj"}),
    "glm4": _Names(stems={"ffn_up": "mlp.gate_up_proj"}),
    "phi2": _Names(
        stems={
            "attn_output": "self_attn.dense", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
            "output_norm": "final_layernorm",
        }
    ),
    "starcoder2": _Names(stems={"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}),
    "qwen2moe": _Names(stems=_SHARED_EXPERT),
    "qwen3next": _Names(stems=_SHARED_EXPERT),
    "llama4": _Names(
        stems={
            "ffn_gate_inp": "feed_forward.router", "ffn_gate_shexp": "feed_forward.shared_expert.gate_proj",
            "ffn_up_shexp": "feed_forward.shared_expert.up_proj", "ffn_gate": "feed_forward.gate_proj",
            "ffn_down_shexp": "feed_forward.shared_expert.down_proj", "ffn_up": "feed_forward.up_proj",
            "ffn_down": "feed_forward.down_proj",
        }
    ),
    "gpt-oss": _Names(stems={"ffn_gate_inp": "mlp.router"}),
    "hunyuan-dense": _Names(
        stems={"attn_q_norm": "self_attn.query_layernorm", "attn_k_norm": "self_attn.key_layernorm"}
    ),
    "lfm2": _Names(
        stems={
            "attn_output": "self_attn.out_proj", "attn_q_norm": "self_attn.q_layernorm", "attn_norm": "operator_norm",
            "attn_k_norm": "self_attn.k_layernorm", "ffn_gate": "feed_forward.w1", "ffn_up": "feed_forward.w3",
            "ffn_down": "feed_forward.w2", "ffn_norm": "ffn_norm", "token_embd_norm": "embedding_norm",
        }
    ),
    "gptneox": _Names(
        stems={
            **_HIDDEN_4, "token_embd": "embed_in", "output_norm": "final_layer_norm",
            "attn_qkv": "attention.query_key_value", "attn_output": "attention.dense",
        }
    ),
    "bloom": _Names(
        "h",
        {
            **_HIDDEN_4, "token_embd": "word_embeddings", "token_embd_norm": "word_embeddings_layernorm",
            "output_norm": "ln_f", "attn_qkv": "self_attention.query_key_value",
            "attn_output": "self_attention.dense",
        },
    ),
    "falcon": _Names(
        "h",
        {
            **_HIDDEN_4, "token_embd": "word_embeddings", "output_norm": "ln_f",
            "attn_qkv": "self_attention.query_key_value", "attn_output": "self_attention.dense",
        },
    ),
    "gpt2": _Names("h", _GPT2),
    "starcoder": _Names("h", _GPT2),
    "mpt": _Names(
        "blocks",
        {
            "token_embd": "wte", "output_norm": "norm_f", "attn_norm": "norm_1", "ffn_norm": "norm_2",
            "attn_qkv": "attn.Wqkv", "attn_output": "attn.out_proj", "ffn_up": "ffn.up_proj",
            "ffn_down": "ffn.down_proj",
        },
    ),
    "bert": _Names(
        "encoder.layer",
        {
            **_EMBEDDINGS, "attn_q": "attention.self.query", "attn_k": "attention.self.key",
            "attn_v": "attention.self.value", "attn_output": "attention.output.dense",
            "attn_output_norm": "attention.output.LayerNorm", "ffn_up": "intermediate.dense",
            "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm",
        },
    ),
    "distilbert": _Names(
        "layer",
        {
            **_EMBEDDINGS, "attn_q": "attention.q_lin", "attn_k": "attention.k_lin", "attn_v": "attention.v_lin",
            "attn_output": "attention.out_lin", "attn_output_norm": "sa_layer_norm", "ffn_up": "ffn.lin1",
            "ffn_down": "ffn.lin2", "layer_output_norm": "output_layer_norm",
        },
    ),
    "modern-bert": _Names(
        stems={
            "token_embd": "embeddings.tok_embeddings", "token_embd_norm": "embeddings.norm", "attn_qkv": "attn.Wqkv",
            "attn_output": "attn.Wo", "attn_norm": "attn_norm", "ffn_norm": "mlp_norm", "ffn_up": "mlp.Wi",
            "ffn_down": "mlp.Wo", "output_norm": "final_norm",
        }
    ),
}  # fmt: skip
_T5 = {
    "attn_q": "0.SelfAttention.q", "attn_k": "0.SelfAttention.k", "attn_v": "0.SelfAttention.v",
    "attn_o": "0.SelfAttention.o", "attn_rel_b": "0.SelfAttention.relative_attention_bias",
    "attn_norm": "0.layer_norm", "cross_attn_q": "1.EncDecAttention.q", "cross_attn_k": "1.EncDecAttention.k",
    "cross_attn_v": "1.EncDecAttention.v", "cross_attn_o": "1.EncDecAttention.o", "cross_attn_norm": "1.layer_norm",
}  # fmt: skip
_T5_FEED_FORWARD = {"ffn_down": "wo", "ffn_gate": "wi_0"}
_EXPERT = re.compile(r"(ffn_(?:gate|up|down))\.(\d+)")

PERMUTED = frozenset({
    "llama", "granite", "granitemoe", "granitehybrid", "olmo", "minicpm", "internlm2", "arcee", "baichuan", "deci",
    "deepseek", "arctic", "llada", "bailingmoe", "xverse", "smollm3", "mistral3", "llama-embed", "pangu-embedded",
})  # fmt: skip
"""Architectures whose query and key rows the converter permutes (`LlamaModel.permute`)."""
FUSED_BY_HEAD = frozenset({"gptneox", "bloom"})
"""Architectures of which query, key and value of each head are neighbours in transformers, and not in llama.cpp."""
TRANSPOSED = {"gpt2": frozenset({"attn_qkv", "attn_output", "ffn_up", "ffn_down"})}
"""Matrices in blocks that the converter transposes, by architecture: transformers has a row an input (`Conv1D`)."""
SHIFTED_NORMS = frozenset({"gemma", "gemma2", "gemma3", "gemma-embedding"})
"""Architectures whose norms the converter stores plus 1."""


def names_from_gguf(names: Collection[str], architecture: str) -> dict[str, str]:
    """Return the names in transformers of the tensors of a GGUF model; unknown names are kept.

    Args:
        names: All its names: some architectures have several sets, which only their tensors tell apart.
        architecture: llama.cpp's name of the architecture.
    """
    if architecture in ("t5", "t5encoder"):
        gated = any(".ffn_gate." in name for name in names)
        return {name: _t5_name(name, gated=gated) for name in names}
    if architecture == "bert" and "token_types.weight" not in names:
        architecture = "distilbert"
    table = _NAMES.get(architecture, _Names())
    return {name: _name(name, table) for name in names}


def _name(name: str, table: _Names) -> str:
    stem, _, kind = name.rpartition(".")
    if not stem:
        stem, kind = name, ""
    prefix = ""
    if stem.startswith("blk.") and stem.count(".") > 1:
        _, layer, stem = stem.split(".", 2)
        prefix = f"{table.blocks}.{layer}."
    expert = _EXPERT.fullmatch(stem)
    if expert is not None:
        projection = _LLAMA[expert[1]].rpartition(".")[2]
        return f"{prefix}mlp.experts.{expert[2]}.{projection}.{kind}"
    made = f"{prefix}{table.stems.get(stem) or _LLAMA.get(stem, stem)}"
    # A vector that is a parameter of its own in transformers.
    return f"{made}.{kind}" if kind and stem != "attn_sinks" else made


def _t5_name(name: str, *, gated: bool) -> str:
    side, _, rest = name.partition(".")
    part = {"enc": "encoder", "dec": "decoder"}.get(side)
    if part is None:
        return {"token_embd.weight": "shared.weight", "output.weight": "lm_head.weight"}.get(name, name)
    stem, _, kind = rest.rpartition(".")
    if stem == "output_norm":
        return f"{part}.final_layer_norm.{kind}"
    pieces = stem.split(".", 2)
    if len(pieces) != 3:
        return name
    layer, stem = pieces[1], pieces[2]
    last = 1 if part == "encoder" else 2
    feed_forward = {**_T5_FEED_FORWARD, "ffn_up": "wi_1" if gated else "wi"}
    if stem in feed_forward:
        inner = f"{last}.DenseReluDense.{feed_forward[stem]}"
    else:
        inner = f"{last}.layer_norm" if stem == "ffn_norm" else _T5.get(stem, stem)
    return f"{part}.block.{layer}.layer.{inner}.{kind}"
