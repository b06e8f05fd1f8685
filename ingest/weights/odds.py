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


@dataclass(frozen=True, slots=True)
class Odds:
    """Weights of the logistic models.

    Attributes:
        trace: Intercept and 18 weights of `between.features`.
        choice: Weights of a parent: its trace carried, a root's constant, a child's trace carried, log distance, order.
        direction: Weights of the measurements of `direction.asymmetry`.
        member: Weights of `adapters.member_features`.
    """

    trace: tuple[float, ...]
    choice: tuple[float, float, float, float, float]
    direction: tuple[float, float, float, float, float]
    member: tuple[float, float, float, float, float, float, float]

    def between(self, features: Doubles) -> Doubles:
        """Return log-odds that a model carries a trace, shape (n,)."""
        return np.asarray(self.trace[0] + features @ np.array(self.trace[1:]))

    def parent(self, measured: Doubles) -> Doubles:
        """Return scores of parents from `Tree.measure`, shape (n,)."""
        carried, root, child, near, order = self.choice
        own = np.where(measured[:, 5] > 0, carried * measured[:, 4], root)
        below = np.where(measured[:, 11] > 0, np.logaddexp(0, measured[:, 10]), 0)
        return np.asarray(own - child * below - near * measured[:, 12] - order * np.logaddexp(0, -measured[:, 15]))


@cache
def load_odds(weights: bool) -> Odds:
    """Return the fitted weights for large samples (read from weights) or small ones (fingerprints alone)."""
    table = msgspec.json.decode((files("ingest.weights") / "data" / "odds.json").read_bytes(), type=dict[str, Odds])
    return table["weights" if weights else "fingerprint"]
