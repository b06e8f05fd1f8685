"""How sure: calibration on what is later than what was learnt, thresholds, prediction sets, and their errors."""

from __future__ import annotations

import msgspec
import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers

BINS = 60
"""Bins of calibration rows, of equal sums of scores: most candidates of a model are out of the question."""
POWERS = tuple(2 ** (step / 2) for step in range(13))
"""Powers of scores that are tried."""
FEWEST = 60
"""Calibration rows below which nothing is claimed at a stated precision."""


class IsotonicCurve(msgspec.Struct, frozen=True):
    """An isotonic map from scores to probabilities (Zadrozny and Elkan 2002), as points between which it is linear.

    Attributes:
        x: Scores, ascending.
        y: Probabilities, ascending.
    """

    x: tuple[float, ...] = (0.0, 1.0)
    y: tuple[float, ...] = (0.0, 1.0)

    def __call__(self, scores: Doubles) -> Doubles:
        """Return probabilities."""
        return np.interp(scores, self.x, self.y)


class Calibration(msgspec.Struct, frozen=True):
    """What a later slice than the training's says about scores.

    Attributes:
        with_metadata: Map for models that state something.
        cold_start: Map for models of which only id, date and lineage are known.
        threshold: Confidence above which the stated precision was reached; above 1 where it never was.
        precision: The stated precision.
        conformal_quantile: Least probability of a value in a set that holds the truth nine times in ten.
        calibration_error: Expected calibration error on a half that the maps were not fitted on.
        models: Models in the slice.
        inverse_temperature: Power of the scores before they are shared among a model's candidates.
    """

    with_metadata: IsotonicCurve
    cold_start: IsotonicCurve
    threshold: float
    precision: float
    conformal_quantile: float
    calibration_error: float
    models: int
    inverse_temperature: float = 1.0


def fit_isotonic(scores: Doubles, truth: Doubles) -> IsotonicCurve:
    """Fit a map from scores to the share of truth at and around them.

    Over means of bins of equal sums of scores, with straight lines between: a plain isotonic fit has flat steps, on
    which a thousand models would share one confidence and no threshold could part them.
    """
    from sklearn.isotonic import isotonic_regression

    if len(scores) < 2:
        return IsotonicCurve()
    order = np.argsort(scores, kind="stable")
    cumulative = np.cumsum(scores[order])
    bin_count = min(BINS, max(1, len(scores) // 20))
    edges = np.searchsorted(cumulative, cumulative[-1] * np.arange(1, bin_count) / bin_count)
    bins = [part for part in np.split(order, edges) if len(part)]
    x = np.array([scores[part].mean() for part in bins])
    y = np.array([truth[part].mean() for part in bins])
    sizes = np.array([float(len(part)) for part in bins])
    fitted = isotonic_regression(y, sample_weight=sizes, y_min=0.001, y_max=0.999)
    return IsotonicCurve((0.0, *map(float, x), 1.0), (0.001, *map(float, fitted), 0.999))


def calibration_error(confidence: Doubles, correct: Doubles, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017, equation 3)."""
    if not len(confidence):
        return 0.0
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(bin_of, confidence, bins) - np.bincount(bin_of, correct, bins))
    return float(gaps.sum() / len(confidence))


def threshold_at_precision(confidence: Doubles, correct: Doubles, precision: float) -> float:
    """Return the least confidence such that what lies at or above it is right often enough; 2 where there is none.

    It is never below one half (or below the precision, where less is asked): with few models to measure on, much that
    is sure would carry along what is less likely than not.
    """
    order = np.argsort(-confidence, kind="stable")
    precision_at = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # A threshold can't part models of equal confidence.
    is_last_of_ties = np.append(np.diff(confidence[order]) < 0, True)[: len(order)]
    admissible = np.flatnonzero(
        (precision_at >= precision) & is_last_of_ties & (np.arange(1, len(order) + 1) >= FEWEST)
    )
    return max(float(confidence[order[admissible[-1]]]), min(0.5, precision)) if len(admissible) else 2.0


def conformal_quantile(true_probability: Doubles, coverage: float = 0.9) -> float:
    """Return the least probability of a value in prediction sets (Sadinle, Lei and Wasserman 2019).

    Args:
        true_probability: Probability given to the true value of each model of the slice; 0 where it was no candidate.
        coverage: Share of models whose set shall hold the truth.
    """
    if not len(true_probability):
        return 0.0
    rank = int(np.floor((1 - coverage) * (len(true_probability) + 1))) - 1
    return float(np.sort(true_probability)[max(rank, 0)])


def normalised_by_group(
    scores: Doubles, group_index: Integers, groups: int, inverse_temperature: float = 1.0
) -> Doubles:
    """Return powers of scores over the sum of each model's (a softmax of logarithms with temperature 1 / power)."""
    if inverse_temperature != 1.0:
        maximum = np.zeros(groups)
        np.maximum.at(maximum, group_index, scores)
        scores = (scores / np.maximum(maximum[group_index], 1e-12)) ** inverse_temperature
    return np.asarray(scores / np.maximum(np.bincount(group_index, scores, groups)[group_index], 1e-12))


def fit_inverse_temperature(scores: Doubles, group_index: Integers, groups: int, correct: Flags) -> float:
    """Return the power of scores at which the truth is likeliest (temperature scaling: Guo et al. 2017)."""
    if not correct.any():
        return 1.0

    def log_likelihood(power: float) -> float:
        return float(np.log(np.maximum(normalised_by_group(scores, group_index, groups, power)[correct], 1e-9)).mean())

    return max(POWERS, key=log_likelihood)


def reliability_curve(confidence: Doubles, correct: Doubles, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return mean confidence, share right and number of models in bins of equal width."""
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    occupied: list[int] = np.unique(bin_of).tolist()
    return [
        (float(confidence[bin_of == b].mean()), float(correct[bin_of == b].mean()), int((bin_of == b).sum()))
        for b in occupied
    ]
