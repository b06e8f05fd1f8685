"""Linear merges and task arithmetic: one least-squares fit that leaves no more than the rounding of the stored type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.merges.subset_search import NOISE, TINY, in_affine_hull
from ingest.weights.pairwise.quantization_grid import step_noise
from ingest.weights.samples.aligned_samples import Vectors

LEFT_OVER = 0.1
"""Squared residual over squared distance to the nearest, above which nothing is a merge, however coarse its type."""


LEAST_WEIGHT = 0.04


def fit_affine(
    view: MergeProblem, child: int, sets: Sequence[tuple[int, ...]], others: Sequence[int], noise: Floats
) -> Merge | None:
    """Return the first of some sets whose combination leaves nothing and can be named."""
    near = sorted(others, key=lambda row: float(view.sq_distance[child, row])) if sets else []
    for rows in sets:
        solved, rest = _fit_within_noise(view, child, rows, near, noise)
        found = None if solved is None else classify_weights(rows, solved, rest)
        if found is not None:
            return found
    return None


def classify_weights(rows: Sequence[int], weights: Doubles, left: float) -> Merge | None:
    """Tell a merge from a model that is itself the parent of one: its weights are positive, but for the base's."""
    pairs = zip(rows, weights.tolist(), strict=True)
    kept = sorted((item for item in pairs if abs(item[1]) >= LEAST_WEIGHT), key=lambda item: -item[1])
    positive = [item for item in kept if item[1] > 0]
    negative = [item for item in kept if item[1] < 0]
    if len(positive) < 2 or len(negative) > 1 or positive[0][1] > 1.01:
        return None
    equal = [item for item in positive if abs(item[1] - positive[0][1]) < 0.02]
    if negative and len(equal) >= 2:
        parents, shares = zip(*equal, strict=True)
        return Merge(parents, shares, negative[0][0], "task_arithmetic", left, 1.0)
    if negative:
        return None
    if len(positive) >= 3 and 2 <= len(equal) < len(positive) and len(positive) - len(equal) == 1:
        base = next(item for item in positive if item not in equal)
        parents, shares = zip(*equal, strict=True)
        return Merge(parents, shares, base[0], "task_arithmetic", left, 1.0)
    parents, shares = zip(*positive, strict=True)
    return Merge(parents, shares, None, "linear", left, 1.0)


def affine_least_squares(vectors: Vectors, child: int, chosen: Sequence[int], noise: Floats) -> tuple[Doubles, Doubles]:
    """Fit an affine combination on all elements; return its weights, and what it leaves, shape (elements,)."""
    flat = vectors.flat
    origin = flat[chosen[0]].astype(np.float64)
    design = flat[list(chosen[1:])].astype(np.float64) - origin
    target = flat[child].astype(np.float64) - origin
    scale = 1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18)
    weighted = design * scale
    solved = np.linalg.lstsq(weighted @ weighted.T, weighted @ (target * scale), rcond=1e-12)[0]
    return np.array([1 - solved.sum(), *solved]), target - solved @ design


def _fit_within_noise(
    view: MergeProblem, child: int, chosen: Sequence[int], near: Sequence[int], noise: Floats
) -> tuple[Doubles | None, float]:
    """Return the weights of a fit whose residual is noise, and the residual; `near` as in `is_noise`."""
    solved, rest = affine_least_squares(view.vectors, child, chosen, noise)
    scale = 1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18)
    left = float(np.square(rest).sum())
    fits = is_noise(view, child, chosen, near, scale, robust_chi2(rest * scale), left)
    away = sq_distance(view, child, near[0])
    return (solved if fits or left < TINY * away else None), (left / away) ** 0.5


def sq_distance(view: MergeProblem, child: int, other: int) -> float:
    """Return the squared distance of two models, from their values: a table's is too coarse."""
    return max(float(np.square(view.vectors.flat[child] - view.vectors.flat[other]).sum()), 1e-30)


def is_noise(
    view: MergeProblem, child: int, chosen: Sequence[int], near: Sequence[int], scale: Doubles, chi: float, left: float
) -> bool:
    """Whether what a fit leaves is noise, and little beside how far other models are off.

    Another combination of the same models may be as near as coarse rounding: it has to be further off than that alone.

    Args:
        view: The family.
        child: Row of the model.
        chosen: Rows that it was fitted by.
        near: Rows of all that might be its parents, the nearest first.
        scale: One over the noise of each element, shape (elements,).
        chi: What the fit leaves, mean square in units of the noise.
        left: What it leaves, squared.
    """
    flat = view.vectors.flat
    if chi >= NOISE or robust_chi2((flat[child].astype(np.float64) - flat[near[0]]) * scale) <= 3 * chi:
        return False
    for row in near:
        if left < LEFT_OVER * sq_distance(view, child, row):
            return True
        noise = float(step_noise(view.vectors, row, view.quantization[row]).mean())
        if row in chosen or not in_affine_hull(view.gram, chosen, [row], np.array([noise])):
            return False
    return False


def robust_chi2(scaled: Doubles) -> float:
    """Mean square by way of the median: an element that happens to be near zero claims a noise near zero."""
    return float(np.median(np.square(scaled))) / 0.455
