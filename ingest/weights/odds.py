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

    def parent(self, own: Doubles, is_root: Doubles, below: Doubles, nearness: Doubles, older: Doubles) -> Doubles:
        """Return scores of parents, shape (n,)."""
        carried, root, child, near, order = self.choice
        return (
            np.where(is_root, root, carried * own) - child * below - near * nearness - order * np.logaddexp(0, -older)
        )


@cache
def load_odds(weights: bool) -> Odds:
    """Return the fitted weights for large samples (read from weights) or small ones (fingerprints alone)."""
    table = msgspec.json.decode((files("ingest.weights") / "data" / "odds.json").read_bytes(), type=dict[str, Odds])
    return table["weights" if weights else "fingerprint"]
