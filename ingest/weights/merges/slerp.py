"""SLERP merges: spherical interpolation of two models, tensor by tensor.

SLERP(θ₁, θ₂; t) = sin((1 − t) ω) / sin ω · θ₁ + sin(t ω) / sin ω · θ₂ (Shoemake 1985). ω is the angle of the two. It
differs between tensors, so two factors are fitted in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.merges.linear import is_noise, robust_chi2, sq_distance
from ingest.weights.merges.merge import Merge, MergeProblem, noise_precision
from ingest.weights.parameters.merge_parameters import MERGE
from ingest.weights.samples.aligned_samples import Vectors


class _PairFit(NamedTuple):
    """SLERP fit of one pair.

    Attributes:
        weights: Mean weight of each model, shape (2,).
        sq_residual: Squared length of the residual.
        informative: Residuals of informative tensors in units of their noise, shape (elements,).
    """

    weights: Doubles
    sq_residual: float
    informative: Doubles


def slerp_pairs(vectors: Vectors, child: int, candidates: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the pairs whose combinations, with two factors a tensor, come nearest to a model.

    The squared length of the projection onto each pair's plane follows from its 2 × 2 Gram matrix.

    Args:
        vectors: Samples at the positions of the search.
        child: Row of the model.
        candidates: Rows of possible parents.
    """
    rows = np.array(candidates)
    explained = np.zeros((len(rows), len(rows)))
    for start, stop, _ in vectors.bounds:
        values = vectors.values[rows, start:stop].reshape(len(rows), -1).astype(np.float64)
        projection = values @ vectors.values[child, start:stop].reshape(-1).astype(np.float64)
        gram = values @ values.T
        lengths = np.diag(gram) * (1 + 1e-9) + 1e-30
        determinant = lengths[:, None] * lengths - gram * gram
        single = np.outer(projection**2, lengths)
        explained += (single + single.T - 2 * np.outer(projection, projection) * gram) / determinant
    explained[np.tril_indices(len(rows))] = -np.inf
    count = min(MERGE.max_slerp_pairs, len(rows) * (len(rows) - 1) // 2)
    best = np.argsort(-explained.reshape(-1), kind="stable")[:count]
    return [(int(rows[first]), int(rows[second])) for first, second in zip(*np.divmod(best, len(rows)), strict=True)]


def fit_slerp(
    problem: MergeProblem, child: int, pairs: Sequence[tuple[int, ...]], candidates: Sequence[int], noise: Floats
) -> Merge | None:
    """Return the SLERP merge with the smallest residual, where that is noise, or None.

    Args:
        problem: The family.
        child: Row of the model.
        pairs: Pairs of rows that are tried.
        candidates: Rows of all possible parents.
        noise: Variance that storing the child added to each element, shape (p, 32).
    """
    best: Merge | None = None
    nearest = sorted(candidates, key=lambda row: float(problem.sq_distance[child, row]))
    nearest_sq, precision = sq_distance(problem, child, nearest[0]), noise_precision(noise)
    for pair in pairs:
        fit = _fit_pair(problem.vectors, child, pair, precision)
        if fit is None:
            continue
        sq_residual, chi2 = fit.sq_residual, robust_chi2(fit.informative)
        residual = (sq_residual / nearest_sq) ** 0.5
        if min(fit.weights) <= MERGE.min_weight or (best is not None and residual >= best.residual):
            continue
        if sq_residual < MERGE.max_slerp_residual_ratio * nearest_sq or is_noise(
            problem, child, pair, nearest, precision, chi2, sq_residual
        ):
            ordered = sorted(zip(pair, map(float, fit.weights), strict=True), key=lambda item: -item[1])
            rows, weights = zip(*ordered, strict=True)
            best = Merge(rows, weights, None, "slerp", residual, 1.0)
    return best


def _fit_pair(vectors: Vectors, child: int, pair: tuple[int, ...], precision: Doubles) -> _PairFit | None:
    """Fit two factors a tensor; return None where no tensor is informative.

    A tensor that the child has unchanged from one of the pair fits any combination with that one. So it is not
    informative.
    """
    fractions, residuals, informative = list[tuple[float, float]](), list[Doubles](), list[Doubles]()
    for start, stop, _ in vectors.bounds:
        both = vectors.values[list(pair), start:stop].reshape(2, -1).astype(np.float64)
        target = vectors.values[child, start:stop].reshape(-1).astype(np.float64)
        factors, fraction = fit_slerp_tensor(both, target)
        residuals.append(target - factors @ both)
        if not np.array_equal(target, both[0]) and not np.array_equal(target, both[1]):
            informative.append(residuals[-1] * precision[start * RUN_LENGTH : stop * RUN_LENGTH])
            fractions.append(fraction)
    if not fractions:
        return None
    sq_residual = float(sum(np.square(residual).sum() for residual in residuals))
    return _PairFit(np.mean(fractions, 0), sq_residual, np.concatenate(informative))


def fit_slerp_tensor(pair: Doubles, target: Doubles) -> tuple[Doubles, tuple[float, float]]:
    """Fit one tensor by two others, by least squares.

    Args:
        pair: The two, shape (2, elements).
        target: The tensor, shape (elements,).

    Returns:
        The factor of each, shape (2,), and the fractions 1 − t and t of the arc at which the fit's direction lies.
    """
    gram = pair @ pair.T
    gram[np.diag_indices(2)] *= 1 + 1e-10
    factors = np.asarray(np.linalg.solve(gram, pair @ target), np.float64)
    cosine = gram[0, 1] / max(float(np.sqrt(gram[0, 0] * gram[1, 1])), 1e-30)
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    first, second = map(float, factors)
    if angle < MERGE.min_slerp_angle:
        fraction = second / (first + second) if first + second else 0.5
    else:
        fraction = float(np.arctan2(second * np.sin(angle), first + second * np.cos(angle))) / angle
    return factors, (1 - fraction, fraction)
