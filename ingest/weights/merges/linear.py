"""Linear merges and task arithmetic: affine least squares whose residual is storage noise.

A linear merge is Σ wᵢ θᵢ with Σ wᵢ = 1 (model soups, arXiv 2203.05482). Task arithmetic is θ₀ + s Σ (θᵢ − θ₀)
(arXiv 2212.04089). It is affine as well: the base has weight 1 − k s, each of the k parents has s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.merges.merge import Merge, MergeProblem, noise_precision
from ingest.weights.merges.subset_search import in_affine_hull
from ingest.weights.pairwise.quantization_grid import storage_noise
from ingest.weights.parameters.merge_parameters import MERGE
from ingest.weights.samples.aligned_samples import Vectors


def fit_affine(
    problem: MergeProblem, child: int, subsets: Sequence[tuple[int, ...]], candidates: Sequence[int], noise: Floats
) -> Merge | None:
    """Return the merge of the first subset that fits a model within noise and has weights of a merge, or None.

    Args:
        problem: The family.
        child: Row of the model.
        subsets: Rows of the models that are fitted, one tuple a fit.
        candidates: Rows of all possible parents.
        noise: Variance that storing the child added to each element, shape (p, 32).
    """
    nearest = sorted(candidates, key=lambda row: float(problem.sq_distance[child, row])) if subsets else []
    for rows in subsets:
        weights, residual = _fit_within_noise(problem, child, rows, nearest, noise)
        merge = None if weights is None else classify_weights(rows, weights, residual)
        if merge is not None and (merge.base is None or len(rows) < 3 or _are_independent(problem, rows)):
            return merge
    return None


def _are_independent(problem: MergeProblem, rows: Sequence[int]) -> bool:
    """Whether no model is an affine combination of the others: else merges of two models are one another's bases."""
    for row in rows:
        noise = float(storage_noise(problem.vectors, row, problem.quantization[row]).mean())
        if in_affine_hull(problem.gram, [other for other in rows if other != row], [row], np.array([noise])):
            return False
    return True


def classify_weights(rows: Sequence[int], weights: Doubles, residual: float) -> Merge | None:
    """Return the method that affine weights belong to, or None where they are those of no merge.

    Positive weights alone are a linear merge. Two or more equal ones with one other are task arithmetic, and the other
    is the base. Task vectors that add up to more than one leave the base a negative weight. The equation of a merge,
    solved for one of its inputs, has such a weight as well. There the merge has a weight of one over the input's. So a
    negative weight means a base where the others are equal, or below one.

    Args:
        rows: Models that were fitted.
        weights: Their weights, which add up to one, shape (rows,).
        residual: Residual of the fit over the distance to the nearest model.
    """
    pairs = zip(rows, weights.tolist(), strict=True)
    used = sorted((item for item in pairs if abs(item[1]) >= MERGE.min_weight), key=lambda item: -item[1])
    positive = [item for item in used if item[1] > 0]
    negative = [item for item in used if item[1] < 0]
    if len(positive) < 2 or len(negative) > 1 or positive[0][1] > MERGE.max_weight:
        return None
    equal = [item for item in positive if abs(item[1] - positive[0][1]) < MERGE.equal_weight_tolerance]
    unequal = [item for item in positive if item not in equal]
    if negative and len(equal) < 2 and positive[0][1] > MERGE.max_task_weight:
        return None
    if negative or (len(equal) >= 2 and len(unequal) == 1):
        parents, shares = zip(*(positive if negative else equal), strict=True)
        base = (negative or unequal)[0][0]
        return Merge(parents, shares, base, "task_arithmetic", residual, 1.0)
    parents, shares = zip(*positive, strict=True)
    return Merge(parents, shares, None, "linear", residual, 1.0)


def affine_least_squares(vectors: Vectors, child: int, rows: Sequence[int], noise: Floats) -> tuple[Doubles, Doubles]:
    """Fit a model by an affine combination of others, each element weighted by its storage noise.

    Minimizes Σₑ (θₑ − Σᵢ wᵢ θᵢₑ)² / σₑ² subject to Σ wᵢ = 1.

    Args:
        vectors: Aligned samples.
        child: Row of the model.
        rows: Rows of the others, k of them.
        noise: Variance that storing the child added to each element, shape (p, 32).

    Returns:
        Weights, shape (k,), and the residual, shape (elements,).
    """
    flat = vectors.flat
    origin = flat[rows[0]].astype(np.float64)
    design = flat[list(rows[1:])].astype(np.float64) - origin
    target = flat[child].astype(np.float64) - origin
    precision = noise_precision(noise)
    weighted = design * precision
    solved = np.linalg.lstsq(weighted @ weighted.T, weighted @ (target * precision), rcond=1e-12)[0]
    return np.array([1 - solved.sum(), *solved]), target - solved @ design


def _fit_within_noise(
    problem: MergeProblem, child: int, rows: Sequence[int], nearest: Sequence[int], noise: Floats
) -> tuple[Doubles | None, float]:
    """Return the weights of a fit, None where its residual exceeds noise, and its relative residual.

    Arguments are those of `fit_affine` and `is_noise`.
    """
    weights, residual = affine_least_squares(problem.vectors, child, rows, noise)
    precision = noise_precision(noise)
    sq_residual = float(np.square(residual).sum())
    is_exact = is_noise(problem, child, rows, nearest, precision, robust_chi2(residual * precision), sq_residual)
    nearest_sq = sq_distance(problem, child, nearest[0])
    relative = (sq_residual / nearest_sq) ** 0.5
    return (weights if is_exact or sq_residual < MERGE.exact_residual_ratio * nearest_sq else None), relative


def sq_distance(problem: MergeProblem, child: int, other: int) -> float:
    """Return the squared distance of two models from their values; a table by inner products is too coarse."""
    difference = problem.vectors.flat[child] - problem.vectors.flat[other]
    return max(float(np.square(difference).sum()), 1e-30)


def is_noise(
    problem: MergeProblem,
    child: int,
    rows: Sequence[int],
    nearest: Sequence[int],
    precision: Doubles,
    chi2: float,
    sq_residual: float,
) -> bool:
    """Whether the residual of a fit is storage noise, and small against the distances to other models.

    Another combination of the same models may be as near as coarse rounding. So models in the affine hull of the fitted
    ones do not count as others.

    Args:
        problem: The family.
        child: Row of the model.
        rows: Rows that it was fitted by.
        nearest: Rows of all possible parents, the nearest first.
        precision: One over the standard deviation of each element's noise, shape (elements,).
        chi2: Robust mean squared residual in units of the noise.
        sq_residual: Squared length of the residual.
    """
    flat = problem.vectors.flat
    if chi2 >= MERGE.max_noise_chi2:
        return False
    to_nearest = (flat[child].astype(np.float64) - flat[nearest[0]]) * precision
    if robust_chi2(to_nearest) <= MERGE.min_noise_separation * chi2:
        return False
    for row in nearest:
        if sq_residual < MERGE.max_residual_ratio * sq_distance(problem, child, row):
            return True
        noise = float(storage_noise(problem.vectors, row, problem.quantization[row]).mean())
        if row in rows or not in_affine_hull(problem.gram, rows, [row], np.array([noise])):
            return False
    return False


def robust_chi2(scaled: Doubles) -> float:
    """Return the mean square estimated from the median: median(x²) / .455, as for a χ² of one degree of freedom.

    An element that happens to be near zero has a noise estimate near zero; the median bounds its influence.

    Args:
        scaled: Residuals in units of their noise, shape (elements,).
    """
    return float(np.median(np.square(scaled))) / 0.455
