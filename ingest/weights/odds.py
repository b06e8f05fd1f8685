"""Fitted weights: how measurements of weights turn into odds and confidence.

Fitted by `benchmarks/zoo/fit.py` on generated families (README, "Numbers", names their seeds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.weights.family import Doubles

Integers = npt.NDArray[np.int64]


LEAVES = 8
"""Leaves that a tree has at most: a bit each."""
_ALL = 2**LEAVES - 1
_FIRST = np.array([(bits & -bits).bit_length() - 1 for bits in range(_ALL + 1)])
"""Lowest bit that is set, of every set of leaves."""


class Trees(NamedTuple):
    """Boosted decision trees that are read without walking down them (QuickScorer, Lucchese et al. 2015).

    All inner nodes are asked at once, and each rules leaves out; the first leaf left is where a walk would end.

    Attributes:
        base: Log-odds before any tree.
        feature: Feature that an inner node looks at, shape (inner nodes, trees).
        threshold: Values up to it go left; same shape.
        kept: Leaves that going right leaves, a bit each; same shape.
        value: Of each leaf, from the left, shape (trees, leaves).
    """

    base: float
    feature: Integers
    threshold: Doubles
    kept: npt.NDArray[np.uint8]
    value: Doubles


@dataclass(frozen=True, slots=True)
class Odds:
    """Weights of the logistic models.

    Attributes:
        trace: Intercept and 18 weights of `between.features`.
        trees: Boosted trees over `Tree.measure`.
        direction: Weights of the measurements of `direction.asymmetry`.
        member: Weights of `adapters.member_features`.
    """

    trace: tuple[float, ...]
    trees: Trees
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float, float, float]

    def between(self, features: Doubles) -> Doubles:
        """Return log-odds that a model carries a trace, shape (n,)."""
        return np.asarray(self.trace[0] + features @ np.array(self.trace[1:]))

    def parent(self, measured: Doubles) -> Doubles:
        """Return log-odds of parents from `Tree.measure`, shape (n,): the sum of what each tree's leaf says."""
        base, feature, threshold, kept, value = self.trees
        goes_left = measured.take(feature, 1) <= threshold
        # True, negated, has all bits set: going left rules no leaf out.
        leaf = _FIRST.take(np.bitwise_and.reduce(kept | -goes_left.view(np.uint8), 1))
        return np.asarray(base + value.take(np.arange(len(value)) * LEAVES + leaf).sum(1))


class _Boosted(msgspec.Struct):
    base: float
    nodes: list[tuple[list[int], list[float], list[int], list[int], list[float]]]


class _Fitted(msgspec.Struct):
    trace: tuple[float, ...]
    trees: _Boosted
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float, float, float]


def chance(odds: float) -> float:
    """Return the probability of what has some log-odds."""
    return float(1 / (1 + np.exp(-np.clip(odds, -20, 20))))


def softmax(scores: Doubles, temperature: float = 1.0) -> Doubles:
    """Return the distribution that log-odds of shape (n,) make, shape (n,)."""
    chances = np.exp((scores - scores.max()) / temperature)
    return np.asarray(chances / chances.sum())


@cache
def load_odds(weights: bool) -> Odds:
    """Return the fitted weights for large samples (read from weights) or small ones (fingerprints alone)."""
    table = msgspec.json.decode((files("ingest.weights") / "data" / "odds.json").read_bytes(), type=dict[str, _Fitted])
    found = table["weights" if weights else "fingerprint"]
    return Odds(found.trace, _trees(found.trees), found.direction, found.member)


def _trees(boosted: _Boosted) -> Trees:
    shape = LEAVES - 1, len(boosted.nodes)
    feature, threshold, kept = np.zeros(shape, np.int64), np.full(shape, np.inf), np.full(shape, _ALL, np.uint8)
    value = np.zeros((len(boosted.nodes), LEAVES))
    for tree, (features, thresholds, left, right, values) in enumerate(boosted.nodes):
        leaves = _leaves(left, right, 0)
        value[tree, : len(leaves)] = [values[leaf] for leaf in leaves]
        for place, node in enumerate(node for node, below in enumerate(left) if below):
            feature[place, tree], threshold[place, tree] = features[node], thresholds[node]
            kept[place, tree] = _ALL - sum(1 << leaves.index(leaf) for leaf in _leaves(left, right, left[node]))
    return Trees(boosted.base, feature, threshold, kept, value)


def _leaves(left: Sequence[int], right: Sequence[int], node: int) -> list[int]:
    """Return the leaves below a node, from the left."""
    return [*_leaves(left, right, left[node]), *_leaves(left, right, right[node])] if left[node] else [node]
