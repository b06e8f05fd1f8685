"""Fitted scorers: measurements of weights to log-odds and probabilities.

`benchmarks/zoo/fit.py` fits them on generated families and writes `data/parent_scorer.json`. That file names every
input, its version, the families that it was fitted on, and the metrics of the fit. A file whose names or version
differ from those below is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from atlas_db.core.arrays import Doubles
from atlas_db.core.decoding import MalformedError, prepared, read_json
from atlas_db.core.errors import ScorerError
from atlas_db.core.files import reason_of
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.tree.quickscorer import QuickScorer, TreeNodes, compile_trees

VERSION = "parent_scorer@1"
NETWORK_PARTS = ("embeddings", "query_key", "value_output", "mlp_in", "mlp_out", "lm_head")
"""Parts of a network, in the order of `tensor_names.PART_PATTERNS`."""
_CONTAINMENT = ("share", "full_share", "log_distance_ratio", "log_standard_error", "spread_weighted", "spread_plain")
CONTAINMENT_FEATURES = (
    "share", "full_share", "share^2", "full_share^2", "share*full_share", "|share-1|", "|full_share-1|",
    "|share-full_share|", "log_distance_ratio", "log_distance_ratio*share", "log_distance_ratio*|share-1|",
    "min(share,1)", "min(full_share,1)", "log_distance_ratio*min(share,1)", "|share-full_share|*log_distance_ratio",
    "low_rank", "low_rank*min(|full_share-1|,1)", "low_rank*(|full_share-1|<.15)", "spread_weighted", "spread_plain",
    "spread_weighted*spread_plain",
)  # fmt: skip
"""Columns of `residual_containment.containment_features`."""
PARENT_FEATURES = (
    *(f"own_residual.{name}" for name in (*_CONTAINMENT, "log_odds", "exists")),
    *(f"child_residual.{name}" for name in (*_CONTAINMENT, "log_odds", "exists")),
    "log_distance_over_nearest", "log_distance_over_own_step", "log_distance_over_second_nearest",
    "precedence_log_odds", "nearer_models", "joint_containment", "joint_containment_of_child",
    *(f"own_residual.share.{part}" for part in NETWORK_PARTS),
    "log_children",
    "penalty.resized", "penalty.rank", "penalty.frozen", "penalty.untrained", "penalty.cast",
    "rank", "rank_over_least", "frozen_share", "frozen_share_below_most", "untrained_rows_behind",
    *(f"log_distance_over_nearest.{part}" for part in NETWORK_PARTS),
)  # fmt: skip
"""Columns of `IncrementalTree.features`, in order."""
PRECEDENCE_FEATURES = ("small_residual", "mean_size", "mean_signed", "standard_deviation", "grown_tensors")
"""Columns of `direction.precedence_features`."""
ADAPTER_FEATURES = ("partner", "own", "generation", "overlap", "inputs", "copies", "dated_later")
"""Columns of `base_choice.features`."""


@dataclass(frozen=True, slots=True)
class ParentScorer:
    """Fitted models for one size of samples.

    Attributes:
        containment: Intercept and weights over `CONTAINMENT_FEATURES`, shape (22,).
        trees: Boosted trees over `PARENT_FEATURES`.
        precedence: Weights over `PRECEDENCE_FEATURES`, shape (5,).
        adapter: Weights over `ADAPTER_FEATURES`, shape (7,).
    """

    containment: tuple[float, ...]
    trees: QuickScorer
    precedence: tuple[float, ...]
    adapter: tuple[float, ...]

    def containment_log_odds(self, features: Doubles) -> Doubles:
        """Return log-odds that weights contain a residual, by logistic regression.

        Args:
            features: Shape (n, 21), columns `CONTAINMENT_FEATURES`.

        Returns:
            Shape (n,).
        """
        return np.asarray(self.containment[0] + features @ np.array(self.containment[1:]))

    def parent_log_odds(self, features: Doubles) -> Doubles:
        """Return the score of each candidate parent; their softmax is the conditional logit over candidates.

        Args:
            features: Shape (n, 46), columns `PARENT_FEATURES`.

        Returns:
            Shape (n,).
        """
        return self.trees.score(features)


class _Linear(msgspec.Struct, forbid_unknown_fields=True):
    features: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float = 0.0


class _Ensemble(msgspec.Struct, forbid_unknown_fields=True):
    features: tuple[str, ...]
    trees: list[TreeNodes]


class _Fit(msgspec.Struct, forbid_unknown_fields=True):
    containment: _Linear
    parent: _Ensemble
    precedence: _Linear
    adapter: _Linear


@prepared
class ScorerFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file of fitted models.

    Attributes:
        version: `VERSION` of the code that fitted them.
        fitted_on: Families that they were fitted on.
        metrics: Metrics of the fit, by name.
        samples: Fits by size of samples, `weights` and `fingerprint`.
    """

    version: str
    fitted_on: str
    metrics: dict[str, float]
    samples: dict[str, _Fit]


def read_scorer(file: Path) -> ScorerFile:
    """Read fitted models and check that they fit this code.

    Raises:
        ScorerError: The file is damaged, of another version, or was fitted on other features.
    """
    try:
        found = read_json(file, ScorerFile)
    except (OSError, MalformedError) as error:
        raise ScorerError(f"{file} cannot be read: {reason_of(error)}", hint=_HINT) from error
    if found.version != VERSION:
        raise ScorerError(f"{file} is {found.version}, not {VERSION}", hint=_HINT)
    for size, fit in found.samples.items():
        for part, expected in _EXPECTED.items():
            names = getattr(fit, part).features
            if names != expected:
                differ = sorted(set(names) ^ set(expected)) or ["their order"]
                raise ScorerError(f"{file} has other features of {size}.{part}: {', '.join(differ)}", hint=_HINT)
    return found


_HINT = "Fit it anew: python -m benchmarks.zoo.fit"
_EXPECTED = {
    "containment": CONTAINMENT_FEATURES,
    "parent": PARENT_FEATURES,
    "precedence": PRECEDENCE_FEATURES,
    "adapter": ADAPTER_FEATURES,
}


def linear_fit(features: Sequence[str], weights: Sequence[float], intercept: float = 0.0) -> dict[str, Any]:
    """Return a linear model as `ScorerFile` keeps it."""
    return {"features": list(features), "weights": list(weights), "intercept": intercept}


@cache
def packaged_scorer() -> ScorerFile:
    """Return the fitted models that the package ships.

    Raises:
        ScorerError: They do not fit this code.
    """
    return read_scorer(Path(str(files("ingest.weights.tree") / "data" / "parent_scorer.json")))


@cache
def load_scorer(large: bool) -> ParentScorer:
    """Return the scorer for large samples (read from weights) or small ones (fingerprints alone).

    Raises:
        ScorerError: The packaged models do not fit this code.
    """
    found = packaged_scorer().samples["weights" if large else "fingerprint"]
    containment = (found.containment.intercept, *found.containment.weights)
    trees = compile_trees(found.parent.trees)
    return ParentScorer(containment, trees, found.precedence.weights, found.adapter.weights)


def sigmoid(log_odds: Doubles) -> Doubles:
    """Return probabilities, 1 / (1 + exp(-x)), with log-odds clipped at ±20; same shape."""
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -20, 20))))


def probability(log_odds: float) -> float:
    """Return the probability of one log-odds."""
    return float(sigmoid(np.asarray(log_odds)))


def softmax(scores: Doubles) -> Doubles:
    """Return the softmax of scores of shape (n,), shape (n,)."""
    exponentials = np.exp(scores - scores.max())
    return np.asarray(exponentials / exponentials.sum())


def runner_ups(probabilities: Doubles, first: int) -> list[tuple[int, float]]:
    """Return the likeliest candidates but for the first: places and probabilities, the likeliest first."""
    order = np.argsort(-probabilities, kind="stable")[: CONFIDENCE.max_alternatives + 1].tolist()
    rest = [at for at in order if at != first][: CONFIDENCE.max_alternatives]
    return [(at, float(probabilities[at])) for at in rest if probabilities[at] >= CONFIDENCE.min_alternative]
