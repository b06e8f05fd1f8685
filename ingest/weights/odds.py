"""Fitted weights: how measurements of weights turn into odds and confidence.

Fitted by `benchmarks/zoo/fit.py` on generated families (README, "Numbers", names their seeds).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.weights.family import Doubles

POSSIBLE, OTHERS = 0.02, 3
"""Probability from which a model that was not chosen is told of, and how many are."""
LEAVES = 8
"""Leaves that a tree has at most: a bit each."""
_ALL = 2**LEAVES - 1
_FIRST = np.array([(bits & -bits).bit_length() - 1 for bits in range(_ALL + 1)])
"""Lowest bit that is set, of every set of leaves."""


class Trees(NamedTuple):
    """Boosted decision trees that are read without walking down them (QuickScorer, Lucchese et al. 2015).

    A value above a node's threshold rules out the leaves to its left; the first leaf left is where a walk would end. As
    larger values rule out all that smaller ones do, what is left is looked up by how many thresholds lie below.

    Attributes:
        features: Features that inner nodes look at.
        thresholds: Of each of these, what its nodes compare it with, ascending; values up to it go left.
        kept: Of each, the leaves of every tree that are left when so many of its thresholds lie below the value, a bit
            a leaf, shape (thresholds + 1, trees).
        value: Of each leaf, from the left, shape (trees, leaves).
    """

    features: tuple[int, ...]
    thresholds: tuple[Doubles, ...]
    kept: tuple[npt.NDArray[np.uint8], ...]
    value: Doubles


@dataclass(frozen=True, slots=True)
class Odds:
    """Weights of the logistic models.

    Attributes:
        trace: Intercept and 21 weights of `between.features`.
        trees: Boosted trees over `Tree.measure`.
        direction: Weights of the measurements of `direction.asymmetry`.
        member: Weights of `adapters.member_features`.
    """

    trace: tuple[float, ...]
    trees: Trees
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float]

    def between(self, features: Doubles) -> Doubles:
        """Return log-odds that a model carries a trace, shape (n,)."""
        return np.asarray(self.trace[0] + features @ np.array(self.trace[1:]))

    def parent(self, measured: Doubles) -> Doubles:
        """Return log-odds of parents from `Tree.measure`, shape (n,): the sum of what each tree's leaf says."""
        features, thresholds, kept, value = self.trees
        leaves = np.full((len(measured), len(value)), _ALL, np.uint8)
        for feature, bounds, left in zip(features, thresholds, kept, strict=True):
            leaves &= left.take(bounds.searchsorted(measured[:, feature]), 0)
        return np.asarray(value.take(np.arange(len(value)) * LEAVES + _FIRST.take(leaves)).sum(1))


_Tree = tuple[list[int], list[float], list[int], list[int], list[float]]
"""Feature, threshold, left and right child (0 at leaves) and value of each node, the root first."""


class _Fitted(msgspec.Struct):
    trace: tuple[float, ...]
    trees: list[_Tree]
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float]


def chances(odds: Doubles) -> Doubles:
    """Return the probabilities of what has some log-odds, shape of odds."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -20, 20))))


def chance(odds: float) -> float:
    """Return the probability of what has some log-odds."""
    return float(chances(np.asarray(odds)))


def softmax(scores: Doubles) -> Doubles:
    """Return the distribution that log-odds of shape (n,) make, shape (n,)."""
    chances = np.exp(scores - scores.max())
    return np.asarray(chances / chances.sum())


def others(chances: Doubles, first: int) -> list[tuple[int, float]]:
    """Return what may be right instead of the first: places, the likeliest first, each with its probability."""
    rest = [at for at in np.argsort(-chances, kind="stable")[: OTHERS + 1].tolist() if at != first]
    return [(at, float(chances[at])) for at in rest[:OTHERS] if chances[at] >= POSSIBLE]


@cache
def load_odds(weights: bool) -> Odds:
    """Return the fitted weights for large samples (read from weights) or small ones (fingerprints alone)."""
    table = msgspec.json.decode((files("ingest.weights") / "data" / "odds.json").read_bytes(), type=dict[str, _Fitted])
    found = table["weights" if weights else "fingerprint"]
    return Odds(found.trace, _trees(found.trees), found.direction, found.member)


def _trees(nodes_of: Sequence[_Tree]) -> Trees:
    asked: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
    value = np.zeros((len(nodes_of), LEAVES))
    for tree, (features, thresholds, left, right, values) in enumerate(nodes_of):
        leaves = _leaves(left, right, 0)
        value[tree, : len(leaves)] = [values[leaf] for leaf in leaves]
        for node in (node for node, below in enumerate(left) if below):
            lost = sum(1 << leaves.index(leaf) for leaf in _leaves(left, right, left[node]))
            asked[features[node]].append((thresholds[node], tree, _ALL - lost))
    bounds, kept = [], []
    for nodes in asked.values():
        nodes.sort()
        bounds.append(np.array([threshold for threshold, _, _ in nodes]))
        rules = np.full((len(nodes) + 1, len(value)), _ALL, np.uint8)
        for place, (_, tree, left_over) in enumerate(nodes, 1):
            rules[place, tree] = left_over
        kept.append(np.bitwise_and.accumulate(rules, 0))
    return Trees(tuple(asked), tuple(bounds), tuple(kept), value)


def _leaves(left: Sequence[int], right: Sequence[int], node: int) -> list[int]:
    """Return the leaves below a node, from the left."""
    return [*_leaves(left, right, left[node]), *_leaves(left, right, right[node])] if left[node] else [node]
