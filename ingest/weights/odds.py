"""Fitted weights: how measurements of weights turn into odds and confidence.

Fitted by `benchmarks/zoo/fit.py` on generated families (README, "Numbers", names their seeds).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ingest.weights.family import Doubles

Integers = npt.NDArray[np.int64]


class Trees(NamedTuple):
    """Boosted decision trees as arrays of shape (trees, nodes).

    Attributes:
        base: Log-odds before any tree.
        feature: Feature that an inner node looks at.
        threshold: Values up to it go left.
        left: Left child; 0 for a leaf.
        right: Right child.
        value: Of each leaf.
    """

    base: float
    feature: Integers
    threshold: Doubles
    left: Integers
    right: Integers
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
        base, feature, threshold, left, right, value = self.trees
        first = np.arange(len(left)) * left.shape[1]
        inputs = measured.reshape(-1)
        rows = np.arange(len(measured))[:, None] * measured.shape[1]
        at = np.broadcast_to(first, (len(measured), len(left)))
        feature, left, right = feature.reshape(-1), left.reshape(-1), right.reshape(-1)
        threshold, value = threshold.reshape(-1), value.reshape(-1)
        while (inner := (below := left.take(at)) > 0).any():
            goes_left = inputs.take(rows + feature.take(at)) <= threshold.take(at)
            at = np.where(inner, first + np.where(goes_left, below, right.take(at)), at)
        return np.asarray(base + value.take(at).sum(1))


class _Boosted(msgspec.Struct):
    base: float
    nodes: list[tuple[list[int], list[float], list[int], list[int], list[float]]]


class _Fitted(msgspec.Struct):
    trace: tuple[float, ...]
    trees: _Boosted
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float, float, float]


def softmax(scores: Doubles, temperature: float = 1.0) -> Doubles:
    """Return the distribution that log-odds of shape (n,) make, shape (n,)."""
    chances = np.exp((scores - scores.max()) / temperature)
    return np.asarray(chances / chances.sum())


@cache
def load_odds(weights: bool) -> Odds:
    """Return the fitted weights for large samples (read from weights) or small ones (fingerprints alone)."""
    table = msgspec.json.decode((files("ingest.weights") / "data" / "odds.json").read_bytes(), type=dict[str, _Fitted])
    found = table["weights" if weights else "fingerprint"]
    most = max(len(tree[0]) for tree in found.trees.nodes)
    columns = [
        np.array([[*tree[place], *[0] * (most - len(tree[place]))] for tree in found.trees.nodes]) for place in range(5)
    ]
    return Odds(found.trace, Trees(found.trees.base, *columns), found.direction, found.member)
