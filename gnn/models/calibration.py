"""Calibrated confidence: isotonic maps, a threshold at a stated precision, prediction sets, calibration error.

All are fitted on a slice of declarations that is later than what the models learned from.
"""

from __future__ import annotations

import msgspec
import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers
from gnn.parameters.model_parameters import MODEL

_CALIBRATION = MODEL.calibration
UNREACHED = 2.0
"""Threshold where the stated precision was reached at no confidence: no probability is as high."""


class IsotonicCurve(msgspec.Struct, frozen=True):
    """An isotonic map from scores to probabilities (Zadrozny and Elkan 2002), linear between its points.

    Attributes:
        x: Scores, ascending.
        y: Probabilities, ascending.
    """

    x: tuple[float, ...] = (0.0, 1.0)
    y: tuple[float, ...] = (0.0, 1.0)

    def __call__(self, scores: Doubles) -> Doubles:
        """Return probabilities, of the shape of the scores."""
        return np.interp(scores, self.x, self.y)


class Calibration(msgspec.Struct, frozen=True):
    """Maps from scores to confidence, and what was measured with them on the calibration slice.

    Attributes:
        with_metadata: Map for models with metadata.
        cold_start: Map for models of which only id, date and lineage are known.
        threshold: Confidence from which the stated precision was reached; `UNREACHED` where it never was.
        precision: The stated precision.
        conformal_quantile: Lowest probability of a value in a prediction set that covers the truth nine times in ten.
        calibration_error: Expected calibration error on a half of the authors that the maps were not fitted on.
        models: Models in the slice.
        inverse_temperature: Power of the scores before they are normalised over a model's candidates.
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
    """Return the isotonic map from scores to the share of true candidates at and around them.

    It is fitted to the means of bins and linear between them. A plain isotonic fit has flat steps: a thousand models
    would share one confidence, and no threshold could separate them. Bins hold equal sums of scores, because most
    candidates of a model have scores near zero.

    Args:
        scores: Scores, shape (c,).
        truth: 1 where the candidate is true, else 0, shape (c,).
    """
    from sklearn.isotonic import isotonic_regression

    if len(scores) < 2:
        return IsotonicCurve()
    order = np.argsort(scores, kind="stable")
    cumulative = np.cumsum(scores[order])
    bin_count = min(_CALIBRATION.max_bins, max(1, len(scores) // _CALIBRATION.min_bin_rows))
    edges = np.searchsorted(cumulative, cumulative[-1] * np.arange(1, bin_count) / bin_count)
    bins = [part for part in np.split(order, edges) if len(part)]
    x = np.array([scores[part].mean() for part in bins])
    y = np.array([truth[part].mean() for part in bins])
    sizes = np.array([float(len(part)) for part in bins])
    low, high = _CALIBRATION.min_confidence, 1 - _CALIBRATION.min_confidence
    fitted = isotonic_regression(y, sample_weight=sizes, y_min=low, y_max=high)
    return IsotonicCurve((0.0, *map(float, x), 1.0), (low, *map(float, fitted), high))


def calibration_error(confidence: Doubles, correct: Doubles, bins: int = _CALIBRATION.error_bins) -> float:
    """Return the expected calibration error over bins of equal width (Guo et al. 2017, equation 3).

    ECE = sum over bins of |sum(confidence) - sum(correct)| / n.

    Args:
        confidence: Confidence in 0..1, shape (n,).
        correct: 1 where the prediction is correct, else 0, shape (n,).
        bins: Number of bins.
    """
    if not len(confidence):
        return 0.0
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(bin_of, confidence, bins) - np.bincount(bin_of, correct, bins))
    return float(gaps.sum() / len(confidence))


def threshold_at_precision(confidence: Doubles, correct: Doubles, precision: float) -> float:
    """Return the lowest confidence at or above which the share of correct predictions reaches a precision.

    It is never below one half, or below the precision where that is less. With few calibration rows the running
    precision would otherwise admit predictions that are less likely than not.

    Args:
        confidence: Confidence in 0..1, shape (n,).
        correct: 1 where the prediction is correct, else 0, shape (n,).
        precision: Precision to reach.

    Returns:
        The threshold; `UNREACHED` where there is none.
    """
    order = np.argsort(-confidence, kind="stable")
    precision_at = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # A threshold cannot separate models of equal confidence.
    is_last_of_ties = np.append(np.diff(confidence[order]) < 0, True)[: len(order)]
    has_support = np.arange(1, len(order) + 1) >= _CALIBRATION.min_threshold_models
    admissible = np.flatnonzero((precision_at >= precision) & is_last_of_ties & has_support)
    if not len(admissible):
        return UNREACHED
    return max(float(confidence[order[admissible[-1]]]), min(_CALIBRATION.min_threshold, precision))


def conformal_quantile(true_probability: Doubles, coverage: float = _CALIBRATION.conformal_coverage) -> float:
    """Return the lowest probability of a value in prediction sets of a stated coverage (Sadinle, Lei, Wasserman 2019).

    Args:
        true_probability: Probability of each model's true value; 0 where it was no candidate, shape (n,).
        coverage: Share of models whose set shall hold the truth.
    """
    if not len(true_probability):
        return 0.0
    rank = int(np.floor((1 - coverage) * (len(true_probability) + 1))) - 1
    return float(np.sort(true_probability)[max(rank, 0)])


def normalised_by_group(
    scores: Doubles, group_index: Integers, groups: int, inverse_temperature: float = 1.0
) -> Doubles:
    """Return powers of scores divided by their sum over each group: a softmax of log-scores with a temperature.

    Args:
        scores: Scores above 0, shape (c,).
        group_index: Group of each score, shape (c,).
        groups: Number of groups.
        inverse_temperature: The power.

    Returns:
        Shape (c,); the values of a group sum to 1.
    """
    if inverse_temperature != 1.0:
        maximum = np.zeros(groups)
        np.maximum.at(maximum, group_index, scores)
        scores = (scores / np.maximum(maximum[group_index], 1e-12)) ** inverse_temperature
    return np.asarray(scores / np.maximum(np.bincount(group_index, scores, groups)[group_index], 1e-12))


def fit_inverse_temperature(scores: Doubles, group_index: Integers, groups: int, correct: Flags) -> float:
    """Return the inverse temperature of the highest mean log-likelihood (temperature scaling, Guo et al. 2017).

    Args:
        scores: Scores above 0, shape (c,).
        group_index: Group of each score, shape (c,).
        groups: Number of groups.
        correct: Whether each candidate is true, shape (c,).

    Returns:
        One of the tried values; 1 where no candidate is true.
    """
    if not correct.any():
        return 1.0

    def log_likelihood(power: float) -> float:
        return float(np.log(np.maximum(normalised_by_group(scores, group_index, groups, power)[correct], 1e-9)).mean())

    return max(_CALIBRATION.inverse_temperatures, key=log_likelihood)


def reliability_curve(
    confidence: Doubles, correct: Doubles, bins: int = _CALIBRATION.reliability_bins
) -> list[tuple[float, float, int]]:
    """Return mean confidence, accuracy and number of models of each bin of equal width that is not empty.

    Args:
        confidence: Confidence in 0..1, shape (n,).
        correct: 1 where the prediction is correct, else 0, shape (n,).
        bins: Number of bins.
    """
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    occupied: list[int] = np.unique(bin_of).tolist()
    return [
        (float(confidence[bin_of == each].mean()), float(correct[bin_of == each].mean()), int((bin_of == each).sum()))
        for each in occupied
    ]
