"""MoTHer's tables on its splits in small, next to the paper's: `python -m benchmarks.mother OUT`.

OUT comes from `python -m benchmarks.zoo.vit OUT --seed N`. Accuracy is the paper's: the share of models with a parent
whose parent is named. Its method is given the training stage, the number of trees and the models of each tree. Our
chart is given nothing, and is scored without dates and with them. The paper's Llama 2 and Stable Diffusion
weights cannot be had offline; its ViTs are 400 times larger and were trained on real pictures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import skew, spearmanr

from atlas_db.core.arrays import Doubles, Floats
from benchmarks.zoo.score import prints_of
from benchmarks.zoo.vit import HISTORY, ROOTS, SPLITS
from ingest.formats.open_model import open_model
from ingest.weights.baselines import mother
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import kurtosis
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import above_threshold

Values = Doubles
PAPER = {
    "ft": (1.0, 1.0, 0.95, 0.5, 1.0, 0.89), "lora-f": (1.0, 1.0, 1.0, 1.0, 0.8, 0.96),
    "lora-v": (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
}  # fmt: skip
"""Table 1: five trees (ImageNet, ImageNet-21k, MAE, DINO, MSN), then the whole graph."""
PAPER_SIZES = {4: 0.87, 8: 0.90, 13: 0.88, 17: 0.89, 21: 0.89}
"""Table 6: accuracy by models a tree."""
DRAWS = 20
SCORES: dict[str, Callable[[Values], float]] = {
    "mean": lambda values: float(values.mean()),
    "variance": lambda values: float(values.var()),
    "skewness": lambda values: float(skew(values, axis=None)),
    "kurtosis": kurtosis,
    "entropy": lambda values: _entropy(values),
}
TYPES = {
    "all dense": ("query.weight", "key.weight", "value.weight", "dense.weight"),
    "query, key": ("query.weight", "key.weight"), "value": ("value.weight",),
    "attention output": ("attention.output.dense.weight",), "MLP": ("intermediate.dense.weight",),
    "layer norm": ("layernorm_before.weight", "layernorm_after.weight"), "patches": ("projection.weight",),
}  # fmt: skip


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mother", description=__doc__)
    parser.add_argument("zoo", type=Path)
    options = parser.parse_args()
    print("accuracy           " + " ".join(f"{root:>11s}" for root in (*ROOTS, "graph")))
    for split in SPLITS:
        _split(options.zoo / split, split)
    _sizes(options.zoo / "ft")
    _scores(options.zoo / "history")


def _split(folder: Path, split: str) -> None:
    parents = _truth(folder)
    names = sorted(parents)
    kinds = TYPES["value"] if split.startswith("lora") else TYPES["all dense"]
    models = {name: _layers(folder / name, kinds) for name in names}
    measures = {"MoTHer": split.startswith("lora")}
    if split.startswith("lora"):
        measures["with equation 1"] = False
    for title, lora in measures.items():
        trees = [recovered({name: models[name] for name in names if _tree(name) == root}, lora=lora) for root in ROOTS]
        graph = recovered(models, lora=lora, trees=len(ROOTS))
        _row(f"{split}, {title}", [_accuracy(found, parents) for found in (*trees, graph)])
    prints = prints_of(folder)
    for title, time in (("chart, no dates", False), ("chart, dates", True)):
        found = {edge.child: edge.parent for edge in above_threshold(chart(prints, Resampler(), time=time))}
        rows = [{name: found.get(name, "") for name in names if _tree(name) == root} for root in ROOTS]
        _row(f"{split}, {title}", [_accuracy(row, parents) for row in (*rows, {n: found.get(n, "") for n in names})])
    _row(f"{split}, the paper", PAPER[split])


def recovered(models: Mapping[str, Mapping[str, Floats]], *, lora: bool, trees: int = 1) -> dict[str, str]:
    """Return the parent that MoTHer names for each model, "" for roots.

    Fully fine-tuned weights are scaled layer by layer to the least and greatest of all models first, as its section 6
    says.
    """
    names = sorted(models)
    layers = [models[name] for name in names]
    scaled = layers if lora else mother.min_max_normalised(layers)
    parents = mother.recover_forest(
        layers, ["specialise"] * len(names), trees, lora=lora, distance_weights=None if lora else scaled
    )
    return {name: names[parent] if parent >= 0 else "" for name, parent in zip(names, parents, strict=True)}


def _accuracy(found: Mapping[str, str], parents: Mapping[str, str]) -> float:
    wanted = [name for name in found if parents[name]]
    return float(np.mean([found[name] == parents[name] for name in wanted])) if wanted else np.nan


def _sizes(folder: Path) -> None:
    """Sub-trees of some size: connected, around the root, drawn at random."""
    parents = _truth(folder)
    models = {name: _layers(folder / name, TYPES["all dense"]) for name in parents}
    rng = np.random.default_rng(0)
    found: dict[int, list[float]] = {size: [] for size in PAPER_SIZES}
    for size, rates in found.items():
        for root in ROOTS:
            for _ in range(DRAWS if size < 21 else 1):
                chosen = _grown(root, parents, size, rng)
                rates.append(_accuracy(recovered({name: models[name] for name in chosen}, lora=False), parents))
    print("\nmodels a tree (ft)  " + " ".join(f"{size:>6d}" for size in found))
    print("MoTHer here      " + " ".join(f"{np.mean(rates):6.2f}" for rates in found.values()))
    print("the paper           " + " ".join(f"{rate:6.2f}" for rate in PAPER_SIZES.values()))


def _grown(root: str, parents: Mapping[str, str], size: int, rng: np.random.Generator) -> list[str]:
    chosen = [root]
    while len(chosen) < size:
        able = sorted(name for name, parent in parents.items() if parent in chosen and name not in chosen)
        chosen.append(able[int(rng.integers(len(able)))])
    return chosen


def _scores(folder: Path) -> None:
    """How monotonic scores are along the fine-tuning of each root: Spearman's rank correlation with the step."""
    steps = range(HISTORY + 1)
    print("\nrank correlation with the step of fine-tuning")
    print("                    " + " ".join(f"{root:>11s}" for root in ROOTS))
    along = {root: [_layers(folder / f"{root}-{step:02d}", ("weight",)) for step in steps] for root in ROOTS}
    for name, score in SCORES.items():
        _row(f"{name}, dense", [_monotony(along[root], TYPES["all dense"], score) for root in ROOTS])
    for kind, ends in TYPES.items():
        _row(f"kurtosis, {kind}", [_monotony(along[root], ends, kurtosis) for root in ROOTS])


def _monotony(along: Sequence[Mapping[str, Floats]], ends: tuple[str, ...], score: Callable[[Values], float]) -> float:
    values = [
        sum(score(matrix.astype(np.float64)) for name, matrix in layers.items() if name.endswith(ends))
        for layers in along
    ]
    return float(spearmanr(np.arange(len(values)), values).statistic)


def _entropy(values: Values) -> float:
    share = np.histogram(values, 256)[0] / values.size
    return float(-(share[share > 0] * np.log(share[share > 0])).sum())


def _layers(folder: Path, ends: tuple[str, ...]) -> dict[str, Floats]:
    with open_model(folder) as model:
        return {
            name: matrix.read(np.arange(matrix.rows))
            for name, matrix in model.matrices.items()
            if name.endswith(ends) and "classifier" not in name
        }


def _truth(folder: Path) -> dict[str, str]:
    truth = json.loads((folder / "truth.json").read_text())
    above = {edge["child"]: edge["parent"] for edge in truth["edges"]}
    return {node["id"]: above.get(node["id"], "") for node in truth["nodes"]}


def _tree(name: str) -> str:
    return next(root for root in sorted(ROOTS, key=len, reverse=True) if name == root or name.startswith(root + "-"))


def _row(title: str, values: Sequence[float]) -> None:
    print(f"{title:28s}" + " ".join(f"{value:11.2f}" for value in values))


if __name__ == "__main__":
    main()
