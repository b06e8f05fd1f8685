"""What is done to weights: rounded, merged, permuted, moved by a low rank."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from ingest.weights.merges.merge import Merge, build_merge_problem
from ingest.weights.merges.merge_search import find_merge
from ingest.weights.pairwise.quantization_grid import detect_grids, storage_noise
from ingest.weights.samples.aligned_samples import Vectors, align, sq_distances
from tests.support.families import HEADS, HIDDEN, INNER, LAYERS, Weights, print_of, root, trained, write


def matrices(weights: Weights, change: object) -> Weights:
    return {name: change(value) if "_proj" in name else value for name, value in weights.items()}  # type: ignore[operator]


def quantized(value: np.ndarray, bits: int, group: int) -> np.ndarray:
    blocks = value.reshape(len(value), -1, group or value.shape[1])
    scale = np.abs(blocks).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
    return (np.rint(blocks / scale) * scale).reshape(value.shape).astype(np.float32)


def slerp(first: np.ndarray, second: np.ndarray, part: float) -> np.ndarray:
    angle = np.arccos(np.clip((first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second), -1, 1))
    if angle < 1e-6:
        return first
    return (np.sin((1 - part) * angle) * first + np.sin(part * angle) * second) / np.sin(angle)


def ties(base: np.ndarray, models: list[np.ndarray], density: float) -> np.ndarray:
    deltas = np.stack([model - base for model in models])
    cut = np.quantile(np.abs(deltas).reshape(len(models), -1), 1 - density, axis=1)
    deltas = np.where(np.abs(deltas) >= cut.reshape(-1, *[1] * base.ndim), deltas, 0)
    sign = np.sign(deltas.sum(0))
    agree = (np.sign(deltas) == sign) & (deltas != 0)
    return (base + (deltas * agree).sum(0) / np.maximum(agree.sum(0), 1)).astype(np.float32)


def dare(base: np.ndarray, models: list[np.ndarray], density: float, name: str) -> np.ndarray:
    rng = np.random.default_rng(len(name))
    kept = [(model - base) * (rng.random(base.shape) < density) / density for model in models]
    return (base + sum(kept) / len(models)).astype(np.float32)


def permuted(weights: Weights, seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    made = dict(weights)
    width = HIDDEN // HEADS
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        order = rng.permutation(INNER)
        heads = (rng.permutation(HEADS)[:, None] * width + np.arange(width)).reshape(-1)
        for name in ("gate", "up"):
            made[f"{at}mlp.{name}_proj.weight"] = weights[f"{at}mlp.{name}_proj.weight"][order]
        made[f"{at}mlp.down_proj.weight"] = weights[f"{at}mlp.down_proj.weight"][:, order]
        for name in "qkv":
            made[f"{at}self_attn.{name}_proj.weight"] = weights[f"{at}self_attn.{name}_proj.weight"][heads]
        made[f"{at}self_attn.o_proj.weight"] = weights[f"{at}self_attn.o_proj.weight"][:, heads]
    return made


def low_rank(weights: Weights, seed: int, rank: int, size: float = 0.3) -> Weights:
    """Merge a LoRA update into the matrices of attention."""
    rng = np.random.default_rng(seed)
    out = dict(weights)
    for name, value in weights.items():
        if "self_attn" in name:
            update = rng.normal(size=(len(value), rank)) @ rng.normal(size=(rank, value.shape[1]))
            out[name] = (value + size * value.std() * update / np.sqrt(rank)).astype(np.float32)
    return out


def vectors(tmp_path: Path, *models: tuple[Weights, str]) -> Vectors:
    prints = [print_of(write(tmp_path / str(place), *model)) for place, model in enumerate(models)]
    return align([item.sample for item in prints], [item.dtype for item in prints])


def merged(
    tmp_path: Path, make: object, dtype: str = "F32", relative: Callable[[list[Weights]], Weights] | None = None
) -> Merge | None:
    """Rows: 0 base, 1-4 fine-tunes, 5 a child of 1, 6 the merge, after a relative of the fine-tunes if there is one."""
    base = root(1)
    tuned = [trained(base, seed, 0.1) for seed in (2, 3, 4, 5)]
    tuned.append(trained(tuned[0], 9, 0.05))
    if relative is not None:
        tuned.append(relative(tuned))
    made = {name: make(name, value, [model[name] for model in tuned]) for name, value in base.items()}  # type: ignore[operator]
    family = vectors(tmp_path, *((model, "F32") for model in (base, *tuned)), (made, dtype))
    child = len(tuned) + 1
    return find_merge(
        build_merge_problem(family, sq_distances(family), detect_grids(family)),
        child,
        range(child),
        storage_noise(family, child, detect_grids(family)[child]),
    )


def frozen(weights: Weights, seed: int, size: float) -> Weights:
    """Train all but the vocabulary."""
    moved = trained(weights, seed, size)
    return {name: weights[name] if "layers" not in name else value for name, value in moved.items()}


def read(weights: Weights, seed: int, size: float, words: slice, decay: float = 0.999) -> Weights:
    """Train on data that has some of the words; the rows of all others decay."""
    moved, name = trained(weights, seed, size), "model.embed_tokens.weight"
    rows = (weights[name] * np.float32(decay)).astype(np.float32)
    rows[words] = moved[name][words]
    return {**moved, name: rows}


def adapter(folder: Path, base: Weights, rank: int = 4) -> Path:
    """Make an adapter of the value matrices; its gradients came through the output matrices of a base."""
    rng, made = np.random.default_rng(7), {}
    for name, value in base.items():
        if "o_proj" in name:
            own = name.replace("o_proj", "v_proj")
            module = "base_model.model." + own.removesuffix(".weight")
            through = value.T @ rng.normal(size=(len(value), rank)) + base[own] @ rng.normal(size=(len(value), rank))
            made[f"{module}.lora_A.weight"] = rng.normal(size=(rank, len(value))).astype(np.float32)
            made[f"{module}.lora_B.weight"] = through.astype(np.float32)
    folder.mkdir()
    save_file(made, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank}))
    return folder


def copied_table(adapter_folder: Path, base: Weights) -> Path:
    """Add a copy of a base's embedding table to an adapter, as peft does where a LoRA changes that table."""
    file = adapter_folder / "adapter_model.safetensors"
    table = base["model.embed_tokens.weight"]
    save_file({**load_file(file), "base_model.model.model.embed_tokens.base_layer.weight": table}, file)
    return adapter_folder
