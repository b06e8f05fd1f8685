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


class Curve(msgspec.Struct, frozen=True):
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
        told: Map for models that state something.
        bare: Map for models of which only id, date and lineage are known.
        threshold: Confidence above which the stated precision was reached; above 1 where it never was.
        precision: The stated precision.
        conformal: Least probability of a value in a set that holds the truth nine times in ten.
        error: Expected calibration error on a half that the maps were not fitted on.
        size: Models in the slice.
        power: Power of the scores before they are shared among a model's candidates.
    """

    told: Curve
    bare: Curve
    threshold: float
    precision: float
    conformal: float
    error: float
    size: int
    power: float = 1.0


def isotonic(scores: Doubles, truth: Doubles) -> Curve:
    """Fit a map from scores to the share of truth at and around them.

    Over means of bins of equal sums of scores, with straight lines between: a plain isotonic fit has flat steps, on
    which a thousand models would share one confidence and no threshold could part them.
    """
    from sklearn.isotonic import isotonic_regression

    if len(scores) < 2:
        return Curve()
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum(scores[order])
    number = min(BINS, max(1, len(scores) // 20))
    edges = np.searchsorted(mass, mass[-1] * np.arange(1, number) / number)
    bins = [part for part in np.split(order, edges) if len(part)]
    x = np.array([scores[part].mean() for part in bins])
    y = np.array([truth[part].mean() for part in bins])
    sizes = np.array([float(len(part)) for part in bins])
    fitted = isotonic_regression(y, sample_weight=sizes, y_min=0.001, y_max=0.999)
    return Curve((0.0, *map(float, x), 1.0), (0.001, *map(float, fitted), 0.999))


def calibration_error(confidence: Doubles, right: Doubles, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017, equation 3)."""
    if not len(confidence):
        return 0.0
    at = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(at, confidence, bins) - np.bincount(at, right, bins))
    return float(gaps.sum() / len(confidence))


def threshold(confidence: Doubles, right: Doubles, precision: float) -> float:
    """Return the least confidence such that what lies at or above it is right often enough; 2 where there is none.

    It is never below one half (or below the precision, where less is asked): with few models to measure on, much that
    is sure would carry along what is less likely than not.
    """
    order = np.argsort(-confidence, kind="stable")
    reached = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # A threshold can't part models of equal confidence.
    last = np.append(np.diff(confidence[order]) < 0, True)[: len(order)]
    enough = np.flatnonzero((reached >= precision) & last & (np.arange(1, len(order) + 1) >= FEWEST))
    return max(float(confidence[order[enough[-1]]]), min(0.5, precision)) if len(enough) else 2.0


def conformal(truth: Doubles, coverage: float = 0.9) -> float:
    """Return the least probability of a value in prediction sets (Sadinle, Lei and Wasserman 2019).

    Args:
        truth: Probability given to the true value of each model of the slice; 0 where it was no candidate.
        coverage: Share of models whose set shall hold the truth.
    """
    if not len(truth):
        return 0.0
    place = int(np.floor((1 - coverage) * (len(truth) + 1))) - 1
    return float(np.sort(truth)[max(place, 0)])


def normalised(scores: Doubles, places: Integers, models: int, power: float = 1.0) -> Doubles:
    """Return powers of scores over the sum of each model's (a softmax of logarithms with temperature 1 / power)."""
    if power != 1.0:
        best = np.zeros(models)
        np.maximum.at(best, places, scores)
        scores = (scores / np.maximum(best[places], 1e-12)) ** power
    return np.asarray(scores / np.maximum(np.bincount(places, scores, models)[places], 1e-12))


def sharpness(scores: Doubles, places: Integers, models: int, right: Flags) -> float:
    """Return the power of scores at which the truth is likeliest (temperature scaling: Guo et al. 2017)."""
    if not right.any():
        return 1.0

    def likelihood(power: float) -> float:
        return float(np.log(np.maximum(normalised(scores, places, models, power)[right], 1e-9)).mean())

    return max(POWERS, key=likelihood)


def reliability(sure: Doubles, right: Doubles, bins: int = 10) -> list[tuple[float, float, int]]:
    """Return mean confidence, share right and number of models in bins of equal width."""
    at = np.minimum((sure * bins).astype(np.int64), bins - 1)
    table: list[int] = np.unique(at).tolist()
    return [(float(sure[at == b].mean()), float(right[at == b].mean()), int((at == b).sum())) for b in table]
