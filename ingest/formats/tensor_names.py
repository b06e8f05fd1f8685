"""Canonical names of tensors, whatever wrapper or file format they come from."""

from __future__ import annotations

import re
from functools import cache

_BASE_MODEL_PREFIXES = (
    "albert", "audio_spectrogram_transformer", "backbone", "beit", "bert", "camembert", "convbert", "convnext",
    "deberta", "deit", "dinov2", "distilbert", "electra", "flaubert", "funnel", "gpt_neox", "hubert",
    "language_model", "layoutlm", "longformer", "mobilebert", "mobilevit", "model", "mpnet", "regnet", "rembert",
    "resnet", "roberta", "segformer", "squeezebert", "swin", "timesformer", "transformer", "videomae", "vit",
    "wav2vec2", "wavlm", "xlm",
)  # fmt: skip
"""Prefixes of a base model within a model with a head (transformers, `base_model_prefix`).

A base model that is saved alone has tensor names without the prefix.
"""
_WRAPPERS = re.compile(rf"^(?:base_model\.model\.|_orig_mod\.|module\.|(?:{'|'.join(_BASE_MODEL_PREFIXES)})\.)+")
_LAYER = re.compile(r"\.\d+(?=\.|$)")
_GGUF_NAMES = {
    "token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
"""Names in llama.cpp (gguf-py, tensor_mapping) to names in transformers' Llama."""
VOCABULARY_SUFFIXES = ("embed_tokens.weight", "lm_head.weight", "wte.weight", "word_embeddings.weight", "shared.weight")
"""Suffixes of tensors with a row a token, whose rows grow with the vocabulary."""

PART_PATTERNS = tuple(
    re.compile("|".join(patterns.split()))
    for patterns in (
        r"embed_tokens \bwte\b word_embeddings \bshared\.",
        r"q_proj k_proj query key qkv c_attn q_lin k_lin \.q\b \.k\b",
        r"v_proj o_proj out_proj value att\w*\.(?:output\.|c_proj|dense) v_lin out_lin \.v\b \.o\b",
        r"gate_proj up_proj fc1 lin1 intermediate c_fc h_to_4h \bwi(?:_\d)?\b \bw[13]\b",
        r"down_proj fc2 lin2 output[._]dense mlp\.c_proj 4h_to_h \bwo\b \bw2\b",
        r"lm_head embed_out",
    )
)
"""Parts of a network, by names of tensors; the first pattern that fits counts.

In order: embeddings, query and key, value and output, matrices into the MLP, matrices out of it, output embedding.
"""


def canonical_name(name: str) -> str:
    """Return a tensor's name without wrappers: `model.layers.0.mlp.up_proj.weight` → `layers.0.mlp.up_proj.weight`."""
    return _WRAPPERS.sub("", name)


def name_from_gguf(name: str) -> str:
    """Return the name in transformers of a GGUF tensor; an unknown name is kept."""
    stem, _, kind = name.rpartition(".")
    prefix = ""
    if stem.startswith("blk."):
        _, layer, stem = stem.split(".", 2)
        prefix = f"layers.{layer}."
    return f"{prefix}{_GGUF_NAMES.get(stem, stem)}.{kind}"


def without_layer(name: str) -> str:
    """Return a name with its numbers replaced by a star: equal in all layers."""
    return _LAYER.sub(".*", name)


def is_in_block(name: str) -> bool:
    """Whether a tensor belongs to a numbered block; heads, poolers and patch embeddings do not."""
    return _LAYER.search(name) is not None


@cache
def part_index(name: str) -> int:
    """Return the index in `PART_PATTERNS` of a tensor's part, or -1."""
    return next((place for place, pattern in enumerate(PART_PATTERNS) if pattern.search(name)), -1)


def is_vocabulary(name: str) -> bool:
    """Whether a tensor has a row a token."""
    return name.endswith(VOCABULARY_SUFFIXES)
