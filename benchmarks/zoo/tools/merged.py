"""Merges, stacks of layers, mixtures of experts and extracted LoRAs, all by mergekit.

Its methods differ from their papers in how they normalise and rescale; nothing of that is written again here.
"""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from click.testing import CliRunner
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.moe.config import MoEMergeConfig
from mergekit.options import MergeOptions
from mergekit.scripts.extract_lora import main as extract_lora
from mergekit.scripts.moe import build

from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools.workshop import Workshop

Recipe = dict[str, Any]
_SPARSE = ("ties", "dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs", "breadcrumbs_ties")


def merge(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Merge by mergekit in float32 or bfloat16, with weights and parameters drawn at random."""
    rng, names = random.Random(node.seed), work.paths(node)
    method = node.kind.removeprefix("merge_")
    recipe, detail = _recipe(method, names, rng, work.plan.layers)
    recipe["dtype"] = "bfloat16" if node.dtype == "BF16" else "float32"
    node.dtype = "BF16" if node.dtype == "BF16" else "F32"
    _run(recipe, node, folder)
    return {"method": recipe["merge_method"], "parameters": recipe.get("parameters", {}), **detail}


def _recipe(method: str, names: list[str], rng: random.Random, layers: int) -> tuple[Recipe, dict[str, Any]]:
    """Return a recipe of mergekit, and what is to be remembered: weights, places of parents that are a base only."""
    if method.startswith("passthrough"):
        return _stack(method.removeprefix("passthrough_"), names, rng, layers), {}
    if method == "linear_lora":
        weights = _weights(rng, 2)
        models = [names[0], f"{names[1]}+{names[2]}"]
        detail = {"weights": [*weights, None], "bases": [2]}
        return {"merge_method": "linear", "models": _weighted(models, weights)}, detail
    if method in ("slerp", "slerp_gradient", "arcee_fusion", "nearswap"):
        return _of_two(method, names, rng)
    if method in ("linear", "nuslerp", "multislerp", "karcher"):
        weights = _weights(rng, len(names))
        models = [{"model": name} for name in names] if method == "karcher" else _weighted(names, weights)
        return {"merge_method": method, "models": models}, {} if method == "karcher" else {"weights": weights}
    return _of_base(method.removesuffix("_base"), names, rng)


def _of_two(method: str, names: list[str], rng: random.Random) -> tuple[Recipe, dict[str, Any]]:
    """Return a recipe of a method whose base is one of two parents."""
    recipe: Recipe = {"merge_method": method.removesuffix("_gradient"), "base_model": names[0]}
    recipe["models"] = [{"model": name} for name in names]
    if method == "arcee_fusion":
        recipe["models"] = [{"model": names[1]}]
        return recipe, {}
    if method == "nearswap":
        recipe["parameters"] = {"t": 10 ** rng.uniform(-4, -2)}
        recipe["models"] = [{"model": names[1]}]
        return recipe, {}
    part = rng.uniform(0.25, 0.75)
    if method == "slerp":
        recipe["parameters"] = {"t": part}
        return recipe, {"weights": [1 - part, part]}
    along = [round(rng.uniform(0, 1), 2) for _ in range(5)]
    recipe["parameters"] = {"t": [
        {"filter": "attn", "value": along}, {"filter": "mlp", "value": [round(1 - t, 2) for t in along]},
        {"value": part},
    ]}  # fmt: skip
    return recipe, {}


def _of_base(method: str, names: list[str], rng: random.Random) -> tuple[Recipe, dict[str, Any]]:
    """Return a recipe of task vectors: the last parent is their base."""
    base, models = names[-1], names[:-1]
    weights = [rng.uniform(0.3, 1.0) for _ in models]
    recipe: Recipe = {"merge_method": method, "base_model": base, "models": _weighted(models, weights)}
    density = rng.uniform(0.3, 0.8)
    if method == "model_stock":
        recipe["models"] = [{"model": name} for name in models]
        return recipe, {"bases": [len(models)]}
    if method == "sce":
        recipe["models"] = [{"model": name} for name in models]
        recipe["parameters"] = {"select_topk": rng.choice((1.0, density))}
        return recipe, {"bases": [len(models)]}
    if method in _SPARSE:
        extra: dict[str, Any] = {"density": density}
        if method.startswith("della"):
            extra["epsilon"] = rng.uniform(0.05, min(density, 1 - density) - 0.05)
        if method.startswith("breadcrumbs"):
            extra = {"density": rng.uniform(0.7, 0.95), "gamma": rng.uniform(0.005, 0.04)}
        for entry in recipe["models"]:
            entry["parameters"] |= extra
        recipe["parameters"] = {"lambda": rng.choice((1.0, 1.0, round(rng.uniform(0.6, 1.1), 2)))}
        if rng.random() < 0.3:
            recipe["parameters"]["normalize"] = rng.random() < 0.5
        if "ties" in method and rng.random() < 0.3:
            recipe["parameters"]["int8_mask"] = True
    return recipe, {"weights": [*weights, None], "bases": [len(models)]}


def _stack(how: str, names: list[str], rng: random.Random, layers: int) -> Recipe:
    """Return a recipe that takes layers as they are: as deep as the parents, or deeper."""
    if how == "same":
        at = rng.randrange(1, layers)
        pieces = [(names[0], 0, at), (names[1], at, layers)]
    else:
        overlap = rng.randint(1, layers - 1)
        pieces = [(names[0], 0, layers - 1), (names[-1], layers - 1 - overlap, layers)]
    slices = [{"sources": [{"model": name, "layer_range": [start, end]}]} for name, start, end in pieces]
    return {"merge_method": "passthrough", "slices": slices}


def cut_slices(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Leave out a layer with mergekit."""
    (name,), rng = work.paths(node), random.Random(node.seed)
    out = rng.randrange(1, work.plan.layers)
    pieces = [(start, end) for start, end in ((0, out), (out + 1, work.plan.layers)) if start < end]
    slices = [{"sources": [{"model": name, "layer_range": list(piece)}]} for piece in pieces]
    _run({"merge_method": "passthrough", "slices": slices, "dtype": _dtype(node)}, node, folder)
    return {"left_out": out}


def mix_experts(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Make a mixture whose experts are the MLPs of dense models; attention is that of the first."""
    names, rng = work.paths(node), random.Random(node.seed)
    mode = rng.choice(("random", "cheap_embed"))
    experts = [{"source_model": name, "positive_prompts": [f"w{10 + place} w{20 + place}"]}
               for place, name in enumerate(names)]  # fmt: skip
    recipe = {"base_model": names[0], "experts": experts, "gate_mode": mode, "dtype": _dtype(node)}
    node.dtype = "BF16" if node.dtype == "BF16" else "F32"
    options = MergeOptions(quiet=True, random_seed=node.seed)
    build(MoEMergeConfig.model_validate(recipe), str(folder), options, device="cpu")
    return {"gates": mode}


def extract(work: Workshop, node: Node, folder: Path) -> dict[str, Any]:
    """Extract a LoRA from a fine-tune by truncated SVD: its base is the parent, the fine-tune need not be found."""
    rank = random.Random(node.seed).choice((4, 8, 16))
    base, tuned = work.paths(node)
    arguments = ["--model", tuned, "--base-model", base, "--out-path", str(folder), "--max-rank", str(rank), "--quiet"]
    for pattern in ("embed", "wte", "wpe", "lm_head", "norm", "ln_"):
        arguments += ["--exclude-regex", pattern]
    with patch.object(sys, "argv", ["mergekit-extract-lora", *arguments]):  # it writes them into the card
        done = CliRunner().invoke(extract_lora, arguments)
    if done.exception:
        raise done.exception
    return {"rank": rank, "bases": [1]}


def _run(recipe: Recipe, node: Node, folder: Path) -> None:
    cache = folder.with_name(folder.name + ".cache")
    options = MergeOptions(quiet=True, random_seed=node.seed, lora_merge_cache=str(cache), copy_tokenizer=True)
    run_merge(MergeConfiguration.model_validate(recipe), str(folder), options)
    shutil.rmtree(cache, ignore_errors=True)


def _dtype(node: Node) -> str:
    return "bfloat16" if node.dtype == "BF16" else "float32"


def _weights(rng: random.Random, count: int) -> list[float]:
    drawn = [rng.uniform(0.3, 1.0) for _ in range(count)]
    return [share / sum(drawn) for share in drawn]


def _weighted(names: list[str], weights: list[float]) -> list[dict[str, Any]]:
    return [{"model": name, "parameters": {"weight": weight}} for name, weight in zip(names, weights, strict=True)]
