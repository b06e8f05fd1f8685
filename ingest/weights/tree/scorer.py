"""Fitted weights: how measurements of weights turn into odds and confidence.

Fitted by `benchmarks/zoo/fit.py` on generated families (README, "Numbers", names their seeds).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec
import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.tree.quickscorer import ALL_LEAVES, LEAVES, LOWEST_BIT, QuickScorer, TreeNodes, load_trees

POSSIBLE, OTHERS = 0.02, 3
"""Probability from which a model that was not chosen is told of, and how many are."""


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
    trees: QuickScorer
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float]

    def between(self, features: Doubles) -> Doubles:
        """Return log-odds that a model carries a trace, shape (n,)."""
        return np.asarray(self.trace[0] + features @ np.array(self.trace[1:]))

    def parent(self, measured: Doubles) -> Doubles:
        """Return log-odds of parents from `Tree.measure`, shape (n,): the sum of what each tree's leaf says."""
        features, thresholds, kept, value = self.trees
        leaves = np.full((len(measured), len(value)), ALL_LEAVES, np.uint8)
        for feature, bounds, left in zip(features, thresholds, kept, strict=True):
            leaves &= left.take(bounds.searchsorted(measured[:, feature]), 0)
        return np.asarray(value.take(np.arange(len(value)) * LEAVES + LOWEST_BIT.take(leaves)).sum(1))


class _Fitted(msgspec.Struct):
    trace: tuple[float, ...]
    trees: list[TreeNodes]
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
    table = msgspec.json.decode(
        (files("ingest.weights.tree") / "data" / "odds.json").read_bytes(), type=dict[str, _Fitted]
    )
    found = table["weights" if weights else "fingerprint"]
    return Odds(found.trace, load_trees(found.trees), found.direction, found.member)
