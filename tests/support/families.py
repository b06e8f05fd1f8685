"""Models made of numbers alone: weights of a small Llama's sides, moved the way training moves them."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.fingerprint import Fingerprint, compute_fingerprint

Weights = dict[str, np.ndarray]
HIDDEN, INNER, VOCABULARY, LAYERS, HEADS = 64, 128, 256, 2, 4
TYPES = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


def root(seed: int, vocabulary: int = VOCABULARY) -> Weights:
    rng = np.random.default_rng(seed)

    def drawn(*sides: int) -> np.ndarray:
        return (rng.normal(size=sides) * 0.05).astype(np.float32)

    made = {"model.embed_tokens.weight": drawn(vocabulary, HIDDEN), "lm_head.weight": drawn(vocabulary, HIDDEN)}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        made |= {f"{at}self_attn.{n}_proj.weight": drawn(HIDDEN, HIDDEN) for n in "qkvo"}
        made |= {f"{at}mlp.{n}_proj.weight": drawn(INNER, HIDDEN) for n in ("gate", "up")}
        made[f"{at}mlp.down_proj.weight"] = drawn(HIDDEN, INNER)
        made[f"{at}input_layernorm.weight"] = np.ones(HIDDEN, np.float32)
    return made


def trained(weights: Weights, seed: int, size: float = 0.1) -> Weights:
    """Add noise of a relative size to every matrix."""
    rng = np.random.default_rng(seed)
    return {
        name: (value + rng.normal(size=value.shape) * size * value.std()).astype(np.float32)
        if value.ndim > 1
        else value
        for name, value in weights.items()
    }


def with_fewer_neurons(weights: Weights, kept: int, seed: int) -> Weights:
    """Keep some neurons of every MLP, as width pruning does."""
    out = dict(weights)
    for layer in range(LAYERS):
        at = f"model.layers.{layer}.mlp."
        chosen = np.sort(np.random.default_rng(seed + layer).choice(INNER, kept, replace=False))
        for name in ("gate", "up"):
            out[f"{at}{name}_proj.weight"] = weights[f"{at}{name}_proj.weight"][chosen]
        out[f"{at}down_proj.weight"] = weights[f"{at}down_proj.weight"][:, chosen]
    return out


def write(folder: Path, weights: Weights, dtype: str = "F32", shards: int = 1) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_attention_heads": HEADS}))
    typed = {name: np.ascontiguousarray(value.astype(TYPES[dtype])) for name, value in weights.items()}
    if shards == 1:
        save_file(typed, folder / "model.safetensors")
        return folder
    where = {}
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: typed[key] for key in sorted(typed)[number::shards]}
        save_file(part, folder / name)
        where |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder


def print_of(folder: Path, model_id: str = "", date: str = "") -> Fingerprint:
    with open_model(folder) as model:
        return compute_fingerprint(model, model_id or folder.name, date)


def stored(weights: Weights, dtype: str) -> Weights:
    return {name: value.astype(TYPES[dtype]).astype(np.float32) for name, value in weights.items()}
