"""Fitted weights: how measurements of weights turn into odds and confidence.

Fitted by `benchmarks/zoo/fit.py` on generated families; `data/odds.json` names their seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec
import numpy as np

from ingest.weights.family import Doubles


class Trees(msgspec.Struct, frozen=True):
    """Boosted decision trees.

    Attributes:
        base: Log-odds before any tree.
        nodes: Of each tree, by node: feature, threshold, left and right child (0 for a leaf), value.
    """

    base: float
    nodes: list[tuple[list[int], list[float], list[int], list[int], list[float]]]


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
        total = np.full(len(measured), self.trees.base)
        for features, thresholds, lefts, rights, values in self.trees.nodes:
            at = np.zeros(len(measured), np.int64)
            feature, left, right = np.array(features), np.array(lefts), np.array(rights)
            threshold, value = np.array(thresholds), np.array(values)
            while (inner := left[at] > 0).any():
                goes_left = measured[np.arange(len(at)), feature[at]] <= threshold[at]
                at = np.where(inner, np.where(goes_left, left[at], right[at]), at)
            total += value[at]
        return total


@cache
def load_odds(weights: bool) -> Odds:
    """Return the fitted weights for large samples (read from weights) or small ones (fingerprints alone)."""
    table = msgspec.json.decode((files("ingest.weights") / "data" / "odds.json").read_bytes(), type=dict[str, Odds])
    return table["weights" if weights else "fingerprint"]
