"""A small language model with Llama's tensors and names, as pure functions over a dictionary of tensors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]


class Shape(NamedTuple):
    """Sides of a model.

    Attributes:
        hidden: Width.
        layers: Blocks.
        heads: Attention heads.
        inner: Width inside the MLP.
        vocabulary: Tokens.
        kv_heads: Heads of keys and values; as many as `heads` where 0.
    """

    hidden: int
    layers: int
    heads: int = 4
    inner: int = 0
    vocabulary: int = 256
    kv_heads: int = 0

    def config(self, dtype: str) -> dict[str, object]:
        """Return the `config.json` of the Hub's layout."""
        names = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
        return {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads or self.heads,
            "intermediate_size": self.inner, "vocab_size": self.vocabulary, "dtype": names[dtype],
            "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
        }  # fmt: skip


def shape_of(weights: Weights, heads: int = 4) -> Shape:
    """Return the sides that weights have."""
    vocabulary, hidden = weights["model.embed_tokens.weight"].shape
    layers = 1 + max(int(name.split(".")[2]) for name in weights if ".layers." in name)
    return Shape(hidden, layers, heads, weights["model.layers.0.mlp.gate_proj.weight"].shape[0], vocabulary)


def initial(shape: Shape, generator: torch.Generator) -> Weights:
    """Draw weights: normal with deviation 0.02, norms at one."""

    def normal(*sides: int) -> Tensor:
        return torch.randn(*sides, generator=generator) * 0.02

    hidden, inner = shape.hidden, shape.inner
    weights = {"model.embed_tokens.weight": normal(shape.vocabulary, hidden)}
    for layer in range(shape.layers):
        at = f"model.layers.{layer}."
        weights[at + "input_layernorm.weight"] = torch.ones(hidden)
        for name in "qkvo":
            weights[f"{at}self_attn.{name}_proj.weight"] = normal(hidden, hidden)
        weights[at + "post_attention_layernorm.weight"] = torch.ones(hidden)
        weights[at + "mlp.gate_proj.weight"] = normal(inner, hidden)
        weights[at + "mlp.up_proj.weight"] = normal(inner, hidden)
        weights[at + "mlp.down_proj.weight"] = normal(hidden, inner)
    weights["model.norm.weight"] = torch.ones(hidden)
    weights["lm_head.weight"] = normal(shape.vocabulary, hidden)
    return weights


def loss(weights: Weights, tokens: Tensor, shape: Shape) -> Tensor:
    """Return the mean next-token cross-entropy of tokens, shape (batch, length)."""
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    state = functional.embedding(inputs, weights["model.embed_tokens.weight"])
    cosine, sine = _rotation(inputs.shape[1], shape.hidden // shape.heads)
    for layer in range(shape.layers):
        at = f"model.layers.{layer}."
        normed = _norm(state, weights[at + "input_layernorm.weight"])
        query, key, value = (_heads(normed @ weights[f"{at}self_attn.{n}_proj.weight"].T, shape) for n in "qkv")
        query, key = _turn(query, cosine, sine), _turn(key, cosine, sine)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        state = state + mixed.transpose(1, 2).flatten(2) @ weights[at + "self_attn.o_proj.weight"].T
        normed = _norm(state, weights[at + "post_attention_layernorm.weight"])
        gate = functional.silu(normed @ weights[at + "mlp.gate_proj.weight"].T)
        state = (
            state + (gate * (normed @ weights[at + "mlp.up_proj.weight"].T)) @ weights[at + "mlp.down_proj.weight"].T
        )
    out = _norm(state, weights["model.norm.weight"]) @ weights["lm_head.weight"].T
    return functional.cross_entropy(out.flatten(0, 1), targets.flatten())


def _norm(state: Tensor, gain: Tensor) -> Tensor:
    return state * torch.rsqrt(state.square().mean(-1, keepdim=True) + 1e-6) * gain


def _heads(state: Tensor, shape: Shape) -> Tensor:
    return state.unflatten(-1, (shape.heads, shape.hidden // shape.heads)).transpose(1, 2)


def _rotation(length: int, width: int) -> tuple[Tensor, Tensor]:
    frequency = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angle = torch.outer(torch.arange(length).float(), frequency).repeat(1, 2)
    return angle.cos(), angle.sin()


def _turn(state: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = state.chunk(2, -1)
    return state * cosine + torch.cat((-second, first), -1) * sine
