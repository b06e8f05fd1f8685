"""Carry a plan out: train and transform every model in order, write its folder and the truth."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.zoo import folders, operations
from benchmarks.zoo.corpora import corpora
from benchmarks.zoo.nets import Shape, Weights, initial, shape_of
from benchmarks.zoo.plan import ACCEPT, DAMAGED, Node, Plan
from benchmarks.zoo.training import batches, train, train_adapter

ROOT_STEPS = 500
ALL_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BASED = ("merge_task", "merge_ties", "merge_dare")
"""Kinds whose last parent is the base of task vectors: nobody needs to find it."""
GGUF_KINDS = ("Q4_0", "Q4_1", "Q5_0", "Q8_0", "Q8_0")


def make(plan: Plan, out: Path, seed: int, progress: Callable[[str], None] = lambda text: None) -> None:
    """Make all models of a plan.

    Args:
        plan: What to make.
        out: Folder to make; gets a folder a model, `hub.jsonl` (what a crawler sees) and `truth.json`.
        seed: Of the corpora.
        progress: Called for every model.
    """
    torch.set_num_threads(1)
    texts = corpora(seed, plan.corpora)
    shape = Shape(plan.hidden, plan.layers, inner=plan.hidden * 8 // 3 // 32 * 32)
    made: list[Weights] = []
    details: list[dict[str, Any]] = []
    for node in plan.nodes:
        detail: dict[str, Any] = {}
        weights = _weights(node, plan, made, shape, texts, detail)
        _write(node, plan, out / node.id, weights, detail)
        made.append(folders.as_stored(weights, node.dtype))
        details.append(detail)
        progress(f"{node.id} {node.kind}")
    write_truth(out, plan.nodes, details, {"scenario": "random-plan"}, ACCEPT)


def write_truth(
    out: Path, nodes: Sequence[Node], details: list[dict[str, Any]], what: Mapping[str, Any],
    accept: Mapping[str, list[str]],
) -> None:  # fmt: skip
    """Write `hub.jsonl` and `truth.json` of a zoo."""
    seen = sorted(nodes, key=lambda node: (node.created_at or "", node.id))
    lines = [json.dumps({"id": node.id, "created_at": node.created_at, "folder": node.id}) for node in seen]
    (out / "hub.jsonl").write_text("\n".join(lines) + "\n")
    (out / "truth.json").write_text(json.dumps({**what, **truth(nodes, details, accept)}, indent=1))


def truth(
    all_nodes: Sequence[Node], details: list[dict[str, Any]], accept: Mapping[str, list[str]] = ACCEPT
) -> dict[str, Any]:
    """Return what is true of a plan, in the format of the project's zoo.

    Args:
        all_nodes: The models, parents before children.
        details: What was drawn while each was made. `bases` are the places of parents that need not be found.
        accept: Relations that count as right, by kind.
    """
    edges = []
    for node, detail in zip(all_nodes, details, strict=True):
        bases = detail.pop("bases", [len(node.parents) - 1] if node.kind in BASED else [])
        for place, parent in enumerate(node.parents):
            weights = detail.get("weights")
            edges.append({
                "parent": all_nodes[parent].id, "child": node.id, "relation": node.relation,
                "relation_accept": accept.get(node.kind, [node.relation]), "kind": node.kind,
                "optional": place in bases or node.kind in DAMAGED,
                "weight": weights[place] if weights and place < len(weights) else None,
            })  # fmt: skip
    nodes = [
        {"id": n.id, "kind": n.kind, "family": n.family, "depth": n.depth, "created_at": n.created_at,
         "made_at": n.made_at, "optimizer": n.optimizer, "corpus": n.corpus, "steps": n.steps, "dtype": n.dtype, **d,
         "stage": "generalise" if n.kind in ("root", "continued") else "specialise"}
        for n, d in zip(all_nodes, details, strict=True)
    ]  # fmt: skip
    return {"nodes": nodes, "edges": edges, "roots": [node.id for node in all_nodes if not node.parents]}


def _weights(
    node: Node, plan: Plan, made: list[Weights], shape: Shape, texts: list[Any], detail: dict[str, Any]
) -> Weights:
    rng, generator = random.Random(node.seed), torch.Generator().manual_seed(node.seed)
    parents = [made[index] for index in node.parents]
    draw = batches(texts[node.corpus], node.seed)
    if node.kind == "root":
        return train(initial(shape, generator), shape, draw, "adamw", 3e-3, ROOT_STEPS)
    own = shape_of(parents[0])
    if node.kind.startswith("merge_"):
        return _merge(node, parents, rng, generator, detail)
    if node.kind in ("finetune", "nan", *DAMAGED):
        first = {"": (), "embeddings": ("embed", "lm_head"), "early": ("embed", "layers.0.")}
        frozen = rng.choices(list(first), (8, 1, 1))[0]
        detail["frozen"] = frozen
        return train(parents[0], own, draw, node.optimizer, node.rate, node.steps,
                     lambda name: any(part in name for part in first[frozen]))  # fmt: skip
    if node.kind == "continued":
        return train(parents[0], own, draw, node.optimizer, node.rate * 2, node.steps * 2)
    if node.kind in ("lora_merged", "adapter"):
        return _low_rank(node, parents[0], own, draw, rng, detail)
    return _transform(node, parents[0], own, draw, rng, generator)


def _low_rank(
    node: Node,
    parent: Weights,
    shape: Shape,
    draw: Callable[[], torch.Tensor],
    rng: random.Random,
    detail: dict[str, Any],
) -> Weights:
    rank = rng.choice((2, 4, 8, 8, 16))
    targets = rng.choice((("q_proj", "v_proj"), ALL_TARGETS, ("q_proj", "k_proj", "v_proj", "o_proj")))
    alpha = rank * rng.choice((1, 2))
    name = "adam" if node.optimizer in ("sgd", "lion") else node.optimizer
    factors = train_adapter(parent, shape, draw, rank, targets, alpha / rank, node.seed, name, node.rate, node.steps)
    detail |= {"rank": rank, "targets": len(targets), "factors": factors, "alpha": alpha, "names": targets}
    changed = {key: parent[key] + alpha / rank * (second @ first) for key, (first, second) in factors.items()}
    return {**parent, **changed}


def _merge(
    node: Node, parents: list[Weights], rng: random.Random, generator: torch.Generator, detail: dict[str, Any]
) -> Weights:
    if node.kind == "merge_linear":
        drawn = [rng.uniform(0.3, 1) for _ in parents]
        detail["weights"] = [share / sum(drawn) for share in drawn]
        return operations.linear(parents, detail["weights"])
    if node.kind == "merge_slerp":
        part = rng.uniform(0.25, 0.75)
        detail["weights"] = [1 - part, part]
        return operations.slerp(parents[0], parents[1], part)
    base, models = parents[-1], parents[:-1]
    if node.kind == "merge_task":
        scale = rng.uniform(0.3, 1.0)
        detail["weights"] = [scale] * len(models)
        return operations.task(base, models, scale)
    density = rng.uniform(0.3, 0.7)
    detail["density"] = density
    if node.kind == "merge_ties":
        return operations.ties(base, models, density, rng.uniform(0.7, 1.0))
    return operations.dare(base, models, density, generator)


def _transform(
    node: Node, parent: Weights, shape: Shape, draw: Callable[[], torch.Tensor], rng: random.Random,
    generator: torch.Generator,
) -> Weights:  # fmt: skip
    if node.kind.endswith("_deq"):
        bits = 8 if "int8" in node.kind else 4
        grid = {k: operations.quantize(v, bits, operations.GROUP if bits == 4 else 0)
                for k, v in parent.items() if operations.is_matrix(k)}  # fmt: skip
        return {**parent, **{key: operations.dequantize(*pair) for key, pair in grid.items()}}
    if node.kind == "prune":
        return operations.prune(parent, rng.uniform(0.2, 0.6))
    if node.kind == "vocab_resize":
        more = operations.resize(parent, rng.choice((8, 16, 32)), generator)
        return train(more, shape_of(more), draw, node.optimizer, node.rate, max(10, node.steps // 3))
    if node.kind.startswith("permuted"):
        moved = operations.permute(parent, shape, generator)
        done = node.kind == "permuted"
        return moved if done else train(moved, shape, draw, node.optimizer, node.rate, node.steps)
    return parent


def _write(node: Node, plan: Plan, folder: Path, weights: Weights, detail: dict[str, Any]) -> None:
    rng, shape = random.Random(node.seed + 1), shape_of(weights)
    if node.kind == "adapter":
        base = rng.choice((plan.nodes[node.parents[0]].id, "/workspace/out/checkpoint-500"))
        factors, alpha, names = detail.pop("factors"), detail.pop("alpha"), detail.pop("names")
        folders.write_adapter(folder, factors, detail["rank"], alpha, names, base)
        return
    for key in ("factors", "alpha", "names"):
        detail.pop(key, None)
    if node.kind in ("quant_int8", "quant_int4"):
        folders.write_integers(folder, weights, shape, 8 if node.kind == "quant_int8" else 4)
    elif node.kind == "quant_gguf":
        detail["gguf"] = rng.choice(GGUF_KINDS)
        folders.write_gguf(folder, weights, shape, detail["gguf"])
    else:
        if node.kind == "nan":
            key = rng.choice([key for key in weights if operations.is_matrix(key)])
            weights = {**weights, key: weights[key].clone()}
            weights[key][: rng.randint(1, 8)] = float("nan")
        shards = rng.choice((1, 1, 1, 3)) if node.kind not in DAMAGED else 1
        folders.write_model(folder, weights, shape, node.dtype, shards)
        if node.kind in DAMAGED:
            folders.damage(folder, node.kind)
