"""Scores a chart against the truth of a zoo: typed edges, kinds, families, direction, calibration."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.tree.edge import Edge, above_threshold, family_of

CONFIDENT = 0.7
"""Confidence from which a direction counts as given."""


def _none() -> list[int]:
    return [0, 0]


@dataclass(slots=True)
class Score:
    """What a chart got right.

    Attributes:
        right: Edges with child, parent and relation right.
        wrong: Edges that are not.
        found: Edges that are true, not optional, and were named.
        wanted: All that are true and not optional.
        kinds: (found, wanted) by how the child was made.
        confidence: Pairs (confidence, right) of all scored edges.
        directed: Pairs of models rightly joined: (as the truth has it, the other way round).
        confident: The same of edges whose confidence is `CONFIDENT` or more.
        adapters: Of adapters' edges: those likelier than not, and of these the right ones; all, and those of the right
            family.
        families: Adjusted Rand index of the families; what is merged of two is of both, and left out.
        between_families: Edges, guesses included, between models of different families, without merges of two families.
        apart: Pairs of such models.
        roots: (kept, all) roots; below an exact copy, which nothing separates from it, a root counts as kept.
        instead: What the parents of wrong edges truly are to the child, and how often.
        children: Of each model's edges: right, wrong, found, wanted.
        named: True edges that were found, as (child, parent).
    """

    right: int = 0
    wrong: int = 0
    found: int = 0
    wanted: int = 0
    kinds: dict[str, list[int]] = field(default_factory=lambda: defaultdict(_none))
    confidence: list[tuple[float, bool]] = field(default_factory=list)
    directed: list[int] = field(default_factory=lambda: [0, 0])
    confident: list[int] = field(default_factory=lambda: [0, 0])
    adapters: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    families: float = 0.0
    between_families: int = 0
    apart: int = 0
    roots: list[int] = field(default_factory=lambda: [0, 0])
    instead: Counter[str] = field(default_factory=Counter)
    children: list[list[int]] = field(default_factory=list)
    named: set[tuple[str, str]] = field(default_factory=set)

    @property
    def precision(self) -> float:
        """Share of edges that are right."""
        return self.right / max(self.right + self.wrong, 1)

    @property
    def recall(self) -> float:
        """Share of true edges that were found."""
        return self.found / max(self.wanted, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-12)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % bootstrap interval of F1 over models."""
        table, rng = np.array(self.children).reshape(-1, 4), np.random.default_rng(0)
        sums = [table[rng.integers(0, len(table), len(table))].sum(0) for _ in range(1000)]
        low, high = np.quantile([Score(*each.tolist()).f1 for each in sums], [0.025, 0.975])
        return float(low), float(high)


def share_of(right: int, of: int) -> str:
    """Return a share with its 95 % interval as text, by bootstrap over what was counted."""
    drawn = np.random.default_rng(0).binomial(of, right / max(of, 1), 10_000) / max(of, 1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{right} of {of} ({right / max(of, 1):.2f} [{low:.2f}, {high:.2f}])"


def total(scores: Sequence[Score]) -> Score:
    """Return what several charts got right together; `families` is that of the worst."""
    out = Score(families=min(each.families for each in scores))
    for each in scores:
        for name in (
            "right",
            "wrong",
            "found",
            "wanted",
            "between_families",
            "apart",
            "confidence",
            "instead",
            "children",
        ):
            setattr(out, name, getattr(out, name) + getattr(each, name))
        for name in ("directed", "confident", "roots", "adapters"):
            setattr(out, name, [a + b for a, b in zip(getattr(out, name), getattr(each, name), strict=True)])
        for kind, (found, wanted) in each.kinds.items():
            out.kinds[kind] = [out.kinds[kind][0] + found, out.kinds[kind][1] + wanted]
    return out


def read_truth(path: Path) -> dict[str, Any]:
    """Read a zoo's `truth.json`."""
    truth: dict[str, Any] = json.loads(path.read_text())
    return truth


def prints_of(zoo: Path) -> list[Fingerprint]:
    """Return the fingerprints of a zoo's models, computing those that are not there yet."""
    out = zoo / "fp.parquet"
    fingerprint_all(find_models([zoo]), out, lambda *_: None, executor=ThreadPoolExecutor(1))
    return list(read_fingerprints([out]))


def score(
    edges: Sequence[Edge], truth: Mapping[str, Any], same: Mapping[str, str], models: Sequence[Any],
    min_confidence: float = MIN_CHARTED_CONFIDENCE,
) -> Score:  # fmt: skip
    """Score a chart.

    Args:
        edges: The chart.
        truth: What `make` wrote.
        same: Content hash of each model: a parent's exact copy counts as the parent, as no method can separate them.
        models: Fingerprints of all models that were readable.
        min_confidence: Confidence below which edges are abstained from; families rest on all.
    """
    out = Score()
    nodes = {node["id"]: node for node in truth["nodes"]}
    wanted: dict[tuple[str, str], Any] = {(edge["child"], edge["parent"]): edge for edge in truth["edges"]}
    by_child: dict[str, list[Any]] = defaultdict(list)
    for edge in truth["edges"]:
        by_child[edge["child"]].append(edge)
    named = out.named
    by_model: dict[str, list[int]] = {name: [0, 0, 0, 0] for name in nodes}
    to_models = [edge for edge in edges if edge.parent in nodes and edge.child in nodes]
    for edge in to_models:
        twin = (e for e in by_child[edge.child] if same.get(e["parent"], e["parent"]) == same.get(edge.parent))
        match = wanted.get((edge.child, edge.parent)) or next(twin, None)
        if match is not None and match["optional"] and match["kind"].startswith("merge") and "absent" not in match:
            continue  # the base of a merge; what stands for an absent parent is right
        right = match is not None and edge.relation in match["relation_accept"]
        kind, other_family = nodes[edge.child]["kind"], nodes[edge.child]["family"] != nodes[edge.parent]["family"]
        out.between_families += other_family and not kind.startswith("merge")
        if kind.startswith("adapter"):
            named_it = edge.confidence >= MIN_CHARTED_CONFIDENCE
            counted = (named_it, named_it and right, True, not other_family)
            out.adapters = [a + b for a, b in zip(out.adapters, counted, strict=True)]
        if edge.confidence < min_confidence:
            continue
        out.right += right
        out.wrong += not right
        by_model[edge.child][not right] += 1
        if not right:
            out.instead[_true_relation(edge.child, edge.parent, by_child)] += 1
        out.confidence.append((edge.confidence, right))
        if right and match is not None:
            named.add((match["child"], match["parent"]))
        ways = (edge.child, edge.parent) in wanted, (edge.parent, edge.child) in wanted
        for way, joined in enumerate(ways):
            out.directed[way] += joined
            out.confident[way] += joined and edge.confidence >= CONFIDENT
    for pair, edge in wanted.items():
        if not edge["optional"]:
            out.wanted += 1
            out.found += pair in named
            by_model[pair[0]][2] += pair in named
            by_model[pair[0]][3] += 1
            out.kinds[edge["kind"]][0] += pair in named
            out.kinds[edge["kind"]][1] += 1
    out.children = list(by_model.values())
    family = family_of(models, edges)
    both = {
        edge["child"] for edge in truth["edges"] if nodes[edge["child"]]["family"] != nodes[edge["parent"]]["family"]
    }
    full = [item.id for item in models if not item.adapter and item.id not in both]
    sizes = Counter(nodes[model]["family"] for model in full)
    out.apart = (len(full) ** 2 - sum(size**2 for size in sizes.values())) // 2
    out.families = rand_index([nodes[model]["family"] for model in full], [family[model] for model in full])
    charted = above_threshold(to_models, min_confidence)
    children = {edge.child for edge in charted if same[edge.child] != same[edge.parent]}
    out.roots = [sum(root not in children for root in truth["roots"]), len(truth["roots"])]
    return out


def _true_relation(child: str, other: str, by_child: Mapping[str, Sequence[Any]]) -> str:
    """Return the true relation of one model to another."""
    above, below = (_above(name, by_child) for name in (child, other))
    mine, theirs = ({edge["parent"] for edge in by_child.get(name, ())} for name in (child, other))
    if other in mine:
        return "parent, by another relation"
    if child in below:
        return "descendant"
    if other in above:
        return "ancestor above the parent"
    if mine & theirs:
        return "sibling"
    return "other relative" if above & below else "other family"


def _above(model: str, by_child: Mapping[str, Sequence[Any]]) -> set[str]:
    found: set[str] = set()
    rest = [model]
    while rest:
        parents = {edge["parent"] for edge in by_child.get(rest.pop(), ())} - found
        found |= parents
        rest += parents
    return found


def rand_index(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the adjusted Rand index of two partitions (Hubert and Arabie 1985)."""
    pairs = sum(n * (n - 1) / 2 for n in Counter(zip(first, second, strict=True)).values())
    ones = sum(n * (n - 1) / 2 for n in Counter(first).values())
    others = sum(n * (n - 1) / 2 for n in Counter(second).values())
    whole = len(first) * (len(first) - 1) / 2
    expected = ones * others / max(whole, 1)
    most = (ones + others) / 2
    return 1.0 if most == expected else (pairs - expected) / (most - expected)
