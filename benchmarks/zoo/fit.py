"""Fit the parent scorer: `python -m benchmarks.zoo.fit ZOO... --out parent_scorer.json`.

The package reads `ingest/weights/tree/data/parent_scorer.json`.

Needs scikit-learn, LightGBM, and zoos made by `python -m benchmarks.zoo`. Four models are fitted in this order, as each
uses the one before:

1. whether a trace is carried (logistic regression)
2. which of two came first (logistic regression, antisymmetric)
3. the parent among all (boosted trees over the features of `Tree.measure`; conditional logistic, McFadden 1974)
4. the member among an adapter's family (conditional logistic)

The features of 3 are collected while trees grow with the current parameters: where features changed, fit twice. Prints
accuracies on zoos left out of the fit.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from atlas_db.core.arrays import Doubles
from benchmarks.zoo.score import prints_of, read_truth
from ingest.weights.family_chart import chart_family
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.pairwise.direction import precedence_features, small_singular_parts
from ingest.weights.pairwise.residual_containment import containment, containment_features, small_singular_residual
from ingest.weights.samples.clustering import connected_families
from ingest.weights.samples.model_families import by_shape
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree import adapter_edges
from ingest.weights.tree.date_outliers import without_dates
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import FamilyState, load_samples, run_pair_tests
from ingest.weights.tree.incremental_tree import IncrementalTree, ParentChoice
from ingest.weights.tree.insertion import best_parent, insert_all
from ingest.weights.tree.parent_features import ParentFeatures
from ingest.weights.tree.quickscorer import MAX_LEAVES
from ingest.weights.tree.rooting import infer_root
from ingest.weights.tree.scorer import (
    ADAPTER_FEATURES,
    CONTAINMENT_FEATURES,
    PARENT_FEATURES,
    PRECEDENCE_FEATURES,
    VERSION,
    linear_fit,
)

TRAINED = frozenset({"finetune", "continued", "lora_merged", "vocab_resize"})
FOLDS = 5
ROUNDS = {"weights": 300, "fingerprint": 150}
"""Boosted trees; fingerprints by the ten thousand are charted by fewer."""
BOOSTING = {
    "learning_rate": 0.06, "num_leaves": MAX_LEAVES, "min_data_in_leaf": 30, "lambda_l2": 10.0, "feature_fraction": 0.4,
    "min_sum_hessian_in_leaf": 0.5, "seed": 0, "deterministic": True, "num_threads": 1, "verbose": -1,
}  # fmt: skip
"""Chosen by log-loss on zoos left out among seeds 512 to 535."""


@dataclass(slots=True)
class Zoo:
    """A zoo with its truth.

    Attributes:
        path: Folder.
        prints: Fingerprints of what can be read.
        parents: Parents of each model.
        kind: How each was made.
        content: Content hash of each.
    """

    path: Path
    prints: list[Fingerprint]
    parents: dict[str, list[str]]
    kind: dict[str, str]
    content: dict[str, str]

    def is_parent(self, child: str, other: str) -> bool:
        """Whether a model, or an exact copy of it, is a parent."""
        return any(self.content.get(parent) == self.content[other] for parent in self.parents.get(child, ()))

    def ancestors(self, model: str) -> set[str]:
        """Return all ancestors."""
        found: set[str] = set()
        queue = [model]
        while queue:
            new = set(self.parents.get(queue.pop(), ())) - found
            found |= new
            queue += new
        return found


def read_zoo(path: Path, truth: Path) -> Zoo:
    """Read a zoo, fingerprinting it where that was not done yet."""
    prints = prints_of(path)
    truth_data = read_truth(truth)
    parents: dict[str, list[str]] = defaultdict(list)
    for edge in truth_data["edges"]:
        parents[edge["child"]].append(edge["parent"])
    return Zoo(
        path,
        prints,
        dict(parents),
        {n["id"]: n["kind"] for n in truth_data["nodes"]},
        {p.id: p.weights_hash for p in prints},
    )


def families(zoo: Zoo, read: Resampler | None) -> list[FamilyState]:
    """Return the components of a zoo, copies and merges found."""
    parts = [
        [zoo.prints[group[place]] for place in part]
        for group in by_shape(zoo.prints).values()
        for part in connected_families([zoo.prints[place] for place in group])
    ]
    return [family_of(part, read) for part in parts if len(part) > 2]


def family_of(prints: Sequence[Fingerprint], read: Resampler | None) -> FamilyState:
    """Return a component with its pairwise tests and exact relations."""
    samples = load_samples(prints, read, use_dates=True)
    return build_family_state(samples, run_pair_tests(samples))


def traces(zoo: Zoo, known: Sequence[FamilyState]) -> tuple[Doubles, Doubles]:
    """Return features of (trace, model) and whether the model is a child of who left it; later descendants left out."""
    rows, labels = [], []
    for family in known:
        ids = [item.id for item in family.samples.fingerprints]
        place = {model: row for row, model in enumerate(ids)}
        for row, model in enumerate(ids):
            for parent in zoo.parents.get(model, ()):
                if (
                    parent not in place
                    or family.samples.sq_distance[row, place[parent]] == 0
                    or family.relations.quantization[row]
                ):
                    continue
                others = [
                    o for o, other in enumerate(ids)
                    if o not in (row, place[parent]) and zoo.kind[other] in TRAINED
                    and (model not in zoo.ancestors(other) or model in zoo.parents.get(other, ()))
                    and other not in zoo.ancestors(model)
                ]  # fmt: skip
                if others:
                    mark = small_singular_residual(family.samples.vectors, row, place[parent])
                    rows.append(containment_features(containment(family.samples.vectors, mark, others)))
                    labels.append([model in zoo.parents.get(ids[o], ()) for o in others])
    return np.concatenate(rows), np.concatenate(labels).astype(float)


def directed(zoo: Zoo, known: Sequence[FamilyState]) -> Doubles:
    """Return precedence features, one row an edge of training, the parent first."""
    rows = []
    for family in known:
        vectors = family.samples.vectors
        measured = precedence_features(vectors, family.samples.sq_distance, small_singular_parts(vectors))
        place = {item.id: row for row, item in enumerate(family.samples.fingerprints)}
        for child, row in place.items():
            for parent in zoo.parents.get(child, ()) if zoo.kind[child] in TRAINED else ():
                other = place.get(parent, row)
                if family.samples.sq_distance[row, other] > 0:
                    rows.append(measured[other, row] - measured[row, other])
    return np.array(rows).reshape(-1, 5)


@dataclass(slots=True)
class Recorder(IncrementalTree):
    """A tree that keeps its features of when it first and when it last placed each model."""

    seen: dict[tuple[int, bool], tuple[list[int], Doubles, Doubles]] = field(default_factory=dict)

    def choose_parent(self, row: int, candidates: Sequence[int], more: ParentFeatures) -> ParentChoice:
        """Choose as the base class does, and keep the features."""
        measured = (list(candidates), self.features(row, candidates, more), more.penalties.sum(1))
        self.seen.setdefault((row, True), measured)
        self.seen[row, False] = measured
        return IncrementalTree.choose_parent(self, row, candidates, more)


class Placement(NamedTuple):
    """One model's place.

    Attributes:
        measured: Features of each possible parent, shape (able, 46).
        against: Fixed log-odds against each, outside the trees, shape (able,).
        right: Whether it is one, shape (able,).
    """

    measured: Doubles
    against: Doubles
    right: Doubles


def placements(zoo: Zoo, known: Sequence[FamilyState]) -> list[Placement]:
    """Return measurements of all possible parents of each model, and which of them is one."""
    found = []
    for family in known:
        samples, merges = family.samples, family.relations.merges
        tree = Recorder(samples.vectors, samples.sq_distance, family.precedence_log_odds, family.scorer, merges)
        insert_all(family, tree)
        infer_root(family, tree)
        for row in list(tree.choices):
            best_parent(family, tree, row)
        ids = [item.id for item in family.samples.fingerprints]
        for (row, _), (able, measured, against) in tree.seen.items():
            right = np.array([zoo.is_parent(ids[row], ids[other]) for other in able])
            if right.any() and len(able) > 1:
                found.append(Placement(measured, against, right.astype(float)))
    return found


def adapters(zoo: Zoo) -> list[tuple[Doubles, int]]:
    """Return features of the members of each adapter's family, and which is its base."""
    edges = [edge for group in by_shape(zoo.prints).values()
             for edge in chart_family([zoo.prints[place] for place in group], None)]  # fmt: skip
    found = []
    for choice in adapter_edges.base_choices(zoo.prints, edges, time=True):
        right = [place for place, item in enumerate(choice.members) if zoo.is_parent(choice.adapter.id, item.id)]
        if right:
            found.append((choice.table, right[0]))
    return found


def fit_parents(data: Sequence[Sequence[Placement]], rounds: int) -> tuple[list[Any], dict[str, float]]:
    """Fit boosted trees; return them, and their accuracy and log-loss on zoos left out."""
    hits, lost = [], []
    for fold in range(min(FOLDS, len(data))):
        model = boosted([each for at, part in enumerate(data) if at % FOLDS != fold for each in part], rounds)
        for measured, against, right in (each for part in data[fold::FOLDS] for each in part):
            scores = np.asarray(model.predict(measured)) - against
            hits.append(right[np.argmax(scores)])
            lost.append(np.logaddexp.reduce(scores) - np.logaddexp.reduce(scores[right > 0]))
    metrics = {"left_out_accuracy": round(float(np.mean(hits)), 4), "left_out_log_loss": round(float(np.mean(lost)), 4)}
    print(f"parent: {metrics} over {len(hits)} models of zoos left out")
    model = boosted([each for part in data for each in part], rounds)
    return [read_tree(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]], metrics


def boosted(placed: Sequence[Placement], rounds: int) -> lightgbm.Booster:
    """Boost trees whose softmax over a model's possible parents is the probability of each."""
    rows, against, right = (np.concatenate(side) for side in zip(*placed, strict=True))
    sizes = np.array([len(each.right) for each in placed])
    starts = np.cumsum(sizes) - sizes

    def shared(scores: Doubles) -> Doubles:
        each = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
        return np.asarray(each / np.repeat(np.add.reduceat(each, starts), sizes))

    def gradient(predicted: Doubles, _: lightgbm.Dataset) -> tuple[Doubles, Doubles]:
        scores = predicted - against
        chances, wanted = shared(scores), shared(np.where(right > 0, scores, -np.inf))
        return chances - wanted, np.maximum(chances * (1 - chances), 1e-6)

    return lightgbm.train({**BOOSTING, "objective": gradient}, lightgbm.Dataset(rows, right), rounds)


def read_tree(root: dict[str, Any]) -> tuple[list[int], list[float], list[int], list[int], list[float]]:
    """Return a tree as lists over its nodes, the root first: feature, threshold, left, right (0 at leaves), value."""
    nodes, at = [root], 0
    split_features, thresholds, lefts, rights, values = (
        list[int](),
        list[float](),
        list[int](),
        list[int](),
        list[float](),
    )
    while at < len(nodes):
        node = nodes[at]
        inner = "left_child" in node
        split_features.append(node["split_feature"] if inner else 0)
        # Nine digits, not decimals: a threshold just below zero must stay below, where many features are exactly zero.
        thresholds.append(float(f"{node['threshold']:.9g}") if inner else 0.0)
        lefts.append(len(nodes) if inner else 0)
        rights.append(len(nodes) + 1 if inner else 0)
        values.append(0.0 if inner else round(node["leaf_value"], 5))
        nodes += [node["left_child"], node["right_child"]] if inner else []
        at += 1
    return split_features, thresholds, lefts, rights, values


def fit_member(data: Sequence[tuple[Doubles, int]]) -> list[float]:
    """Fit the choice among an adapter's family."""

    def loss(weights: Doubles) -> float:
        scores = [table @ weights for table, _ in data]
        lost = sum(np.logaddexp.reduce(s) - s[y] for s, (_, y) in zip(scores, data, strict=True))
        return float(lost / len(data) + 0.003 * weights @ weights)

    best = minimize(loss, np.zeros(data[0][0].shape[1]), method="BFGS").x
    print(f"adapter's base: {np.mean([np.argmax(t @ best) == y for t, y in data]):.3f} of {len(data)} right, in sample")
    return [round(float(weight), 4) for weight in best]


class Measured(NamedTuple):
    """Measurements of one zoo.

    Attributes:
        traces: Features and labels of `traces`.
        directed: Of `directed`.
        placements: Of `placements`, with dates and without.
        adapters: Of `adapters`.
    """

    traces: tuple[Doubles, Doubles]
    directed: Doubles
    placements: list[Placement]
    adapters: list[tuple[Doubles, int]]


def measured(path: Path, large: bool) -> Measured:
    """Measure a zoo, with samples read from its weights or with those of its fingerprints."""
    zoo, read = read_zoo(path, path / "truth.json"), Resampler() if large else None
    dated = families(zoo, read)
    undated = [
        build_family_state(without_dates(known.samples, range(len(known.samples.dates))), known.tests)
        for known in dated
    ]
    placed = placements(zoo, [*dated, *undated])
    return Measured(traces(zoo, dated), directed(zoo, dated), placed, adapters(zoo))


def fit(zoos: Sequence[Measured], rounds: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Fit all four for one size of sample; return them as the scorer's file keeps them, and metrics."""
    rows, labels = (np.concatenate(side) for side in zip(*(zoo.traces for zoo in zoos), strict=True))
    middle, spread = rows.mean(0), np.maximum(rows.std(0), 1e-9)
    line = LogisticRegression(C=0.3, max_iter=3000).fit((rows - middle) / spread, labels)
    slopes = line.coef_[0] / spread
    intercept = round(float(line.intercept_[0] - slopes @ middle), 5)
    weights = [round(float(slope), 5) for slope in slopes]
    edges = np.concatenate([zoo.directed for zoo in zoos])
    sides = np.where(np.arange(len(edges)) % 2, -1, 1)
    order = LogisticRegression(fit_intercept=False).fit(edges * sides[:, None], sides > 0)
    print(f"direction: {np.mean(edges @ order.coef_[0] > 0):.3f} of {len(edges)} right, in sample")
    trees, metrics = fit_parents([zoo.placements for zoo in zoos], rounds)
    return {
        "containment": linear_fit(CONTAINMENT_FEATURES, weights, intercept),
        "precedence": linear_fit(PRECEDENCE_FEATURES, [round(float(weight), 4) for weight in order.coef_[0]]),
        "parent": {"features": list(PARENT_FEATURES), "trees": trees},
        "adapter": linear_fit(ADAPTER_FEATURES, fit_member([item for zoo in zoos for item in zoo.adapters])),
    }, metrics


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo.fit", description=__doc__)
    parser.add_argument("zoos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with local_executor(many=True) as pool:
        fits = {
            name: fit(list(pool.map(measured, options.zoos, repeat(large))), ROUNDS[name])
            for name, large in (("weights", True), ("fingerprint", False))
        }
    fitted = {
        "version": VERSION,
        "fitted_on": f"generated families: {', '.join(sorted(path.name for path in options.zoos))}",
        "metrics": {f"{size}.{name}": value for size, (_, found) in fits.items() for name, value in found.items()},
        "samples": {size: models for size, (models, _) in fits.items()},
    }
    options.out.write_text(json.dumps(fitted, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
