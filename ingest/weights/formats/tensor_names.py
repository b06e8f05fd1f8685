"""One name for one tensor, whatever wrapper or file format it comes from."""

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
"""What transformers calls a body that carries a head (`base_model_prefix`); saved alone, it goes without the name."""
_WRAPPERS = re.compile(rf"^(?:base_model\.model\.|_orig_mod\.|module\.|(?:{'|'.join(_BASE_MODEL_PREFIXES)})\.)+")
_LAYER = re.compile(r"\.\d+(?=\.|$)")
_GGUF_NAMES = {
    "token_embd": "embed_tokens", "output_norm": "norm", "output": "lm_head",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
"""Names of llama.cpp (gguf-py, tensor_mapping) to those of transformers' Llama."""
VOCABULARY_SUFFIXES = ("embed_tokens.weight", "lm_head.weight", "wte.weight", "word_embeddings.weight", "shared.weight")
"""Tensors with a row a token: their number of rows changes when a vocabulary grows."""

PART_PATTERNS = tuple(
    re.compile("|".join(words.split()))
    for words in (
        r"embed_tokens \bwte\b word_embeddings \bshared\.",
        r"q_proj k_proj query key qkv c_attn q_lin k_lin \.q\b \.k\b",
        r"v_proj o_proj out_proj value att\w*\.(?:output\.|c_proj|dense) v_lin out_lin \.v\b \.o\b",
        r"gate_proj up_proj fc1 lin1 intermediate c_fc h_to_4h \bwi(?:_\d)?\b \bw[13]\b",
        r"down_proj fc2 lin2 output[._]dense mlp\.c_proj 4h_to_h \bwo\b \bw2\b",
        r"lm_head embed_out",
    )
)
"""Parts of a network, by what its tensors are called: embeddings, queries and keys, values and outputs, matrices into
the MLP and out of it, words at the end. The first that fits counts."""


def canonical_name(name: str) -> str:
    """Return a tensor's name without wrappers: `model.layers.0.mlp.up_proj.weight` → `layers.0.mlp.up_proj.weight`."""
    return _WRAPPERS.sub("", name)


def name_from_gguf(name: str) -> str:
    """Return the transformers name of a GGUF tensor; unknown ones keep theirs."""
    stem, _, kind = name.rpartition(".")
    prefix = ""
    if stem.startswith("blk."):
        _, layer, stem = stem.split(".", 2)
        prefix = f"layers.{layer}."
    return f"{prefix}{_GGUF_NAMES.get(stem, stem)}.{kind}"


def without_layer(name: str) -> str:
    """Return a name with its numbers replaced by a star, for signatures that any depth shares."""
    return _LAYER.sub(".*", name)


def is_in_block(name: str) -> bool:
    """Whether a tensor belongs to a numbered block; heads, poolers and patches do not."""
    return _LAYER.search(name) is not None


@cache
def part_index(name: str) -> int:
    """Return the place in PARTS of the part that a tensor belongs to, -1 where it is of none."""
    return next((place for place, words in enumerate(PART_PATTERNS) if words.search(name)), -1)


def is_vocabulary(name: str) -> bool:
    """Whether a tensor has a row a token."""
    return name.endswith(VOCABULARY_SUFFIXES)
