"""Charts zoos and scores them against other methods: `python -m benchmarks.lineage ZOO... [--truth FILE]`.

In one run, on the same models: our chart with dates, without, and from fingerprints alone; MoTHer, given
stages and numbers of trees; the Model Atlas's greedy recovery; the nearest earlier model; the most frequent parent.
Others name no relation, so child and parent alone are compared ("pairs"); ours have typed edges too.
Intervals are 95 % bootstrap intervals, over models or what else was counted.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atlas_db.core.arrays import Integers
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from benchmarks.zoo.score import CONFIDENT, Score, prints_of, read_truth, score, share_of, total
from gnn.evaluation.plots import draw_curves
from gnn.models.calibration import calibration_error, reliability_curve
from ingest.formats.open_model import open_model
from ingest.weights.baselines import model_atlas, mother
from ingest.weights.chart import chart
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.samples.aligned_samples import Vectors, align, sq_distances
from ingest.weights.samples.model_families import by_shape
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge, above_threshold

Pairs = set[tuple[str, str]]
Counts = Integers
TOGETHER = {
    "copies, casts, quantized": ("duplicate", "nan", "cast", "quant"),
    "pruned, permuted, resized": ("prune", "permuted", "vocab"),
    "merges, linear, SLERP and task arithmetic": ("merge_linear", "merge_slerp", "merge_task"),
    "merges, TIES and DARE": ("merge_ties", "merge_dare"),
    "fine-tunes, continued and merged low-rank trainings": ("finetune", "continued", "permuted_ft", "lora_merged"),
    "adapters alone": ("adapter",),
}
"""Ways in which models of a zoo are made, by the beginnings of their names; the longest that fits counts."""
STEPS = (0.5, 0.7)
"""How far a parent had moved from its own parent, over how far the child moved from it."""


@dataclass(slots=True)
class Zoo:
    """What was found of one zoo.

    Attributes:
        lines: Lines to print.
        pairs: By method, the relation not looked at.
        scores: By way of charting, of edges that are likelier than not: others are abstained from.
        guesses: The same, of all edges.
        steps: Trained models found, and all, by how far their parents had moved: `STEPS`.
    """

    lines: list[str]
    pairs: dict[str, Score] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)
    guesses: dict[str, Score] = field(default_factory=dict)
    steps: Counts = field(default_factory=lambda: np.zeros((len(STEPS) + 1, 2), np.int64))


def main() -> None:
    """Score every zoo and their sum."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lineage", description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="+")
    parser.add_argument("--truth", type=Path, help="truth of the only zoo, where it does not lie in it")
    parser.add_argument("--plot", type=Path, help="PNG for the reliability curve of the chart with dates")
    options = parser.parse_args()
    found: list[Zoo] = []
    with local_executor(many=len(options.zoos) > 1) as pool:
        for zoo in pool.map(_one, options.zoos, [options.truth] * len(options.zoos)):
            print("\n".join(zoo.lines), flush=True)
            found.append(zoo)
    print("\npairs: precision, recall, F1 with 95 % interval")
    for name in found[0].pairs:
        pairs = total([zoo.pairs[name] for zoo in found])
        low, high = pairs.interval
        print(f"{name:32s} {pairs.precision:.3f} {pairs.recall:.3f} {pairs.f1:.3f}  [{low:.3f}, {high:.3f}]")
    print("\ntyped edges")
    whole = {name: total([zoo.scores[name] for zoo in found]) for name in found[0].scores}
    for name, score_of_all in whole.items():
        print(f"{name:26s} {_line(score_of_all)}")
        print(f"    guesses included: {_line(total([zoo.guesses[name] for zoo in found]))}")
        _print_kinds(score_of_all)
    steps = ", ".join(share_of(a, b) for a, b in np.sum([zoo.steps for zoo in found], 0).tolist())
    print(f"\ntrained models found, of parents that had moved up to {STEPS} as far, and further: {steps}")
    scores, right = np.array(total([zoo.guesses["chart"] for zoo in found]).confidence, float).T
    print(f"\nguesses included: ECE with dates {calibration_error(scores, right, 10):.3f} over {len(scores)} edges")
    for low in (0, 0.5, 0.7, 0.9, 0.97):
        part = right[scores >= low]
        print(f"confidence >= {low:.2f}: {share_of(int(part.sum()), len(part))} right")
    if options.plot:
        curve = reliability_curve(scores, right)
        draw_curves({f"{len(scores):,} edges": curve}, "lineage from weights, with dates", options.plot)


def _one(path: Path, truth_file: Path | None) -> Zoo:
    """Chart a zoo in all ways."""
    truth = read_truth(truth_file or path / "truth.json")
    prints = prints_of(path)
    zoo = Zoo([f"{path.name}: {len(prints)} models read, {sum(not e['optional'] for e in truth['edges'])} edges"])
    same, charts = {item.id: item.weights_hash for item in prints}, []
    for name, read, time in (
        ("chart", Resampler(), True), ("chart, no dates", Resampler(), False), ("chart, fingerprints alone", None, True)
    ):  # fmt: skip
        charts.append(chart(list(prints), read, time=time))
        zoo.scores[name] = score(charts[-1], truth, same, prints)
        zoo.guesses[name] = score(charts[-1], truth, same, prints, 0.0)
        zoo.lines.append(f"  {name:26s} {_line(zoo.scores[name])}")
        zoo.pairs[name] = _count({(edge.child, edge.parent) for edge in above_threshold(charts[-1])}, truth)
    zoo.steps = _by_step(prints, truth, above_threshold(charts[0]))
    for name, method in (("MoTHer", _mother), ("Horwitz 2025", _greedy), ("nearest earlier", _nearest)):
        zoo.pairs[name] = _count(_others(prints, truth, method), truth)
    frequent = Counter(edge["parent"] for edge in truth["edges"]).most_common(1)[0][0]
    zoo.pairs["most frequent parent"] = _count({(p.id, frequent) for p in prints if p.id != frequent}, truth)
    return zoo


def _line(result: Score) -> str:
    right, other = result.directed
    low, high = result.interval
    return (
        f"typed F1 {result.f1:.3f} [{low:.3f}, {high:.3f}] (p {result.precision:.3f}, r {result.recall:.3f}), families "
        f"ARI {result.families:.3f}, between families {result.between_families}, "
        f"roots {result.roots[0]}/{result.roots[1]}, direction {right}/{right + other}, "
        f"from {CONFIDENT} on {result.confident[0]}/{sum(result.confident)} of "
        f"{sum(confidence >= CONFIDENT for confidence, _ in result.confidence)}"
    )


def _print_kinds(found: Score) -> None:
    """Print what was found by how it was made, and what wrong edges name."""
    table = {kind: [0, 0] for kind in TOGETHER}
    for kind, (a, b) in found.kinds.items():
        fits = {start: name for name, starts in TOGETHER.items() for start in starts if kind.startswith(start)}
        both = table[fits[max(fits, key=len)]] if fits else table.setdefault(kind, [0, 0])
        both[0], both[1] = both[0] + a, both[1] + b
    for kind, (a, b) in table.items():
        print(f"    {kind}: {share_of(a, b)}")
    named, right, every, family = found.adapters
    print(
        f"    adapters, from {MIN_CHARTED_CONFIDENCE} on: {share_of(right, named)} right; "
        f"in the right family: {share_of(family, every)}"
    )
    (right, turned), (kept, wrong) = found.directed, found.confident
    print(f"    direction: {share_of(right, right + turned)}; from {CONFIDENT} on {share_of(kept, kept + wrong)}")
    print(
        f"    roots kept: {share_of(*found.roots)}; "
        f"joined of other families: {share_of(found.between_families, found.apart)}"
    )
    print("    wrong edges name:", ", ".join(f"{what} {n}" for what, n in found.instead.most_common()) or "none")


def _by_step(prints: Sequence[Fingerprint], truth: Mapping[str, Any], edges: Sequence[Edge]) -> Counts:
    """Count trained models whose parent was trained, too, found and all, by how far the parent had moved before."""
    counts = np.zeros((len(STEPS) + 1, 2), np.int64)
    content, named = {item.id: item.weights_hash for item in prints}, defaultdict(set)
    for edge in edges:
        named[edge.child].add(content[edge.parent])
    trained = {
        edge["child"]: edge["parent"] for edge in truth["edges"]
        if edge["kind"] in TOGETHER["fine-tunes, continued and merged low-rank trainings"]
    }  # fmt: skip
    for group in by_shape(prints).values():
        part = [prints[place] for place in group]
        vectors = align([item.sample for item in part], [item.dtype for item in part])
        away = np.sqrt(sq_distances(vectors))
        rows = {part[place].id: row for row, place in enumerate(vectors.members)}
        for child, parent in trained.items():
            if rows.keys() >= {child, parent, trained.get(parent, "")}:
                before = away[rows[parent], rows[trained[parent]]]
                at = np.searchsorted(STEPS, before / max(away[rows[child], rows[parent]], 1e-30), side="right")
                counts[at] += content[parent] in named[child], 1
    return counts


def _count(found: Pairs, truth: Mapping[str, Any]) -> Score:
    """Count pairs of child and parent, whatever their relation."""
    wanted = {(e["child"], e["parent"]) for e in truth["edges"] if not e["optional"]}
    optional = {(e["child"], e["parent"]) for e in truth["edges"] if e["optional"]}
    children = []
    for node in truth["nodes"]:
        mine = {pair for pair in found - optional if pair[0] == node["id"]}
        true = {pair for pair in wanted if pair[0] == node["id"]}
        children.append([len(mine & true), len(mine - true), len(mine & true), len(true)])
    return Score(*np.sum(children, 0).tolist(), children=children)


Method = Callable[[list[Fingerprint], Vectors, Mapping[str, Any]], list[tuple[int, ...]]]


def _others(prints: Sequence[Fingerprint], truth: Mapping[str, Any], method: Method) -> Pairs:
    """Run a method on the models of each architecture."""
    nodes = {node["id"]: node for node in truth["nodes"]}
    found: Pairs = set()
    for group in by_shape(prints).values():
        part = [prints[place] for place in group]
        read = Resampler()
        samples = [read.sample(item) or item.sample for item in part]
        vectors = align(samples, [item.dtype for item in part])
        kept = [part[place] for place in vectors.members]
        if len(kept) > 1:
            for item, parents in zip(kept, method(kept, vectors, nodes), strict=True):
                found |= {(item.id, kept[parent].id) for parent in parents}
    return found


def _mother(prints: list[Fingerprint], vectors: Vectors, nodes: Mapping[str, Any]) -> list[tuple[int, ...]]:
    models = []
    for item in prints:
        with open_model(Path(item.location)) as model:
            models.append({
                name: np.nan_to_num(matrix.read(np.arange(matrix.rows)))
                for name, matrix in model.matrices.items()
                if not matrix.vector and "_proj" in name
            })  # fmt: skip
    common = set.intersection(*(set(model) for model in models))
    layers = [{name: model[name] for name in sorted(common)} for model in models]
    stages = [nodes[item.id]["stage"] for item in prints]
    trees = len({nodes[item.id]["family"] for item in prints})
    return [(parent,) if parent >= 0 else () for parent in mother.recover_forest(layers, stages, trees)]


def _greedy(prints: list[Fingerprint], vectors: Vectors, nodes: Mapping[str, Any]) -> list[tuple[int, ...]]:
    quantized = [nodes[item.id]["kind"].startswith("quant") for item in prints]
    return model_atlas.recover_graph(vectors.flat.astype(np.float64), [item.created_at for item in prints], quantized)


def _nearest(prints: list[Fingerprint], vectors: Vectors, nodes: Mapping[str, Any]) -> list[tuple[int, ...]]:
    squared = sq_distances(vectors)
    found: list[tuple[int, ...]] = []
    for row, item in enumerate(prints):
        earlier = [o for o, other in enumerate(prints) if other.created_at < item.created_at]
        found.append((min(earlier, key=lambda o: squared[row, o]),) if earlier else ())
    return found


if __name__ == "__main__":
    main()
