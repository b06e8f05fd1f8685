"""Subset search: the few models whose affine combination comes nearest to another, by beam search.

The child is the origin, and G the Gram matrix of some models. The nearest point of their affine hull then has the
squared distance 1 / (1ᵀ G⁻¹ 1). All residuals here follow from that formula.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Integers
from ingest.weights.parameters.merge_parameters import MERGE


def nearest_candidates(child: int, candidates: Sequence[int], sq_distance: Doubles) -> list[int]:
    """Return the rows among which the inputs of a merge are searched: the nearest, exact duplicates left out.

    Args:
        child: Row of the model.
        candidates: Rows of possible inputs.
        sq_distance: Squared distances, shape (n, n).
    """
    others = [row for row in candidates if row != child and sq_distance[child, row] > 0]
    if len(others) > MERGE.max_candidates:
        # A model that is no input of a mean lies farther from it than the inputs do.
        by_distance = sorted(others, key=lambda row: float(sq_distance[child, row]))
        others = sorted(by_distance[: MERGE.max_candidates])
    return others


def search_subsets(
    gram: Doubles,
    child: int,
    candidates: Sequence[int],
    max_pair_ratio: float = np.inf,
    max_residual: float = np.inf,
) -> list[tuple[tuple[int, ...], float]]:
    """Return sets of two to four models whose affine combinations come nearest to the child.

    All pairs are tried; larger sets extend the best smaller ones (beam search). One fit of all candidates would not do:
    other merges of the family make its models linearly dependent, and the weights would spread over them.

    Args:
        gram: Inner products of all models, as in `MergeProblem`, shape (n, n).
        child: Row of the model.
        candidates: Rows of possible inputs, two at least.
        max_pair_ratio: Residual of the best pair, over the squared distance to the nearest model, above which nothing
            is returned.
        max_residual: Mean squared residual of all candidates together above which nothing is returned.

    Returns:
        Rows and mean squared residual an element: small sets first, the best of a size first.
    """
    rows = np.array(candidates)
    centred = _centred(gram, child, candidates)
    sq_lengths = np.diag(centred)
    if max_residual < np.inf and joint_residual(centred) > max_residual:
        return []
    subsets, residuals = best_pairs(centred)
    if residuals[0] > max_pair_ratio * float(sq_lengths.min()):
        return []
    found: list[tuple[tuple[int, ...], float]] = []
    for size in (2, 3, 4):
        if size > 2:
            subsets, residuals = extend_subsets(centred, subsets)
        found += zip(map(tuple, rows[subsets].tolist()), residuals.tolist(), strict=True)
        if not len(subsets):
            break
    return found


def best_pair_ratio(gram: Doubles, child: int, candidates: Sequence[int]) -> float:
    """Return the residual of the best affine combination of two models, over the squared distance to the nearest.

    Args:
        gram: Inner products of all models, as in `MergeProblem`, shape (n, n).
        child: Row of the model.
        candidates: Rows of possible inputs, two at least.
    """
    centred = _centred(gram, child, candidates)
    return float(best_pairs(centred)[1][0] / max(float(np.diag(centred).min()), 1e-30))


def _centred(gram: Doubles, child: int, candidates: Sequence[int]) -> Doubles:
    """Return inner products with a model as origin, shape (k, k)."""
    rows = np.array(candidates)
    return np.asarray(gram[np.ix_(rows, rows)] - gram[rows, child][:, None] - gram[child, rows] + gram[child, child])


def joint_residual(gram: Doubles) -> float:
    """Return the squared residual of the affine fit by all models, a lower bound for every subset: 1 / (1ᵀ G⁻¹ 1).

    A ridge of a thousandth of the least squared length keeps dependent models solvable. It adds that times the sum of
    squared weights, far below the residuals that are compared.

    Args:
        gram: Inner products with the child as origin, shape (k, k).
    """
    regularized = gram.copy()
    regularized[np.diag_indices(len(gram))] += MERGE.ridge * float(np.diag(gram).min())
    return 1 / float(np.linalg.solve(regularized, np.ones(len(gram))).sum())


def best_pairs(gram: Doubles) -> tuple[Integers, Doubles]:
    """Return the pairs with the smallest residuals, in closed form: det(G) / (g₁₁ + g₂₂ − 2 g₁₂).

    Args:
        gram: Inner products with the child as origin, shape (k, k).

    Returns:
        Places, shape (pairs, 2), and squared residuals, shape (pairs,), the smallest first.
    """
    sq_lengths = np.diag(gram) * (1 + 1e-9) + 1e-30
    total = sq_lengths[:, None] + sq_lengths - 2 * gram
    determinant = np.maximum(sq_lengths[:, None] * sq_lengths - gram * gram, 0)
    residuals = determinant / np.maximum(total, 1e-30)
    residuals[np.tri(len(gram), dtype=bool)] = np.inf
    flat = residuals.reshape(-1)
    count = min(MERGE.beam_width, len(gram) * (len(gram) - 1) // 2)
    best = np.argpartition(flat, count - 1)[:count]
    best = best[np.argsort(flat[best], kind="stable")]
    return np.stack(np.divmod(best, len(gram)), 1), flat[best]


def extend_subsets(gram: Doubles, subsets: Integers) -> tuple[Integers, Doubles]:
    """Return the best sets that are one model larger, with their residuals.

    What a further model adds to 1ᵀ G⁻¹ 1 follows from its Schur complement, without another solution.

    Args:
        gram: Inner products with the child as origin, shape (k, k).
        subsets: Places of the models of each set, shape (sets, size).

    Returns:
        Places, ascending in each set, shape (new, size + 1), and squared residuals, shape (new,), the smallest first.
    """
    if not len(subsets):
        return subsets, np.empty(0)
    size = subsets.shape[1]
    inner = gram[subsets[:, :, None], subsets[:, None, :]]
    inner[:, np.arange(size), np.arange(size)] *= 1 + 1e-9
    inner[:, np.arange(size), np.arange(size)] += 1e-30
    inverse = np.linalg.inv(inner)
    across = gram[subsets]
    solved = inverse @ across
    sq_lengths = np.diag(gram) * (1 + 1e-9) + 1e-30
    schur = np.maximum(sq_lengths - (across * solved).sum(1), 1e-12 * sq_lengths)
    total = inverse.sum((1, 2))[:, None] + (1 - solved.sum(1)) ** 2 / schur
    residuals = 1 / np.maximum(total, 1e-30)
    np.put_along_axis(residuals, subsets, np.inf, 1)
    # Each new set is generated once for every one of its models.
    smallest = _smallest(residuals.reshape(-1), MERGE.beam_width * (size + 1))
    place, added = np.divmod(smallest, len(gram))
    extended = np.sort(np.column_stack((subsets[place], added)), 1)
    keys = extended @ (len(gram) ** np.arange(size + 1))
    first = np.sort(np.unique(keys, return_index=True)[1])[: MERGE.beam_width]
    return extended[first], residuals.reshape(-1)[smallest[first]]


def _smallest(values: Doubles, count: int) -> Integers:
    """Return the places of the smallest finite values, ascending by value."""
    finite = np.flatnonzero(np.isfinite(values))
    if count < len(finite):
        finite = finite[values[finite] <= np.partition(values[finite], count)[count]]
    return finite[np.argsort(values[finite], kind="stable")[:count]]


def in_affine_hull(gram: Doubles, rows: Sequence[int], others: Sequence[int], noise: Doubles) -> list[int]:
    """Return the models that are affine combinations of some: any of them could replace an input of their merge.

    Args:
        gram: Inner products of all models, as in `MergeProblem`, shape (n, n).
        rows: Rows that span the hull, two at least.
        others: Rows that are tested.
        noise: Mean variance that storing each of the others added to an element, shape (others,).
    """
    hull, tested = np.array(rows), np.array(others, np.int64)
    across = gram[np.ix_(tested, hull)]
    origin = gram[tested, tested][:, None, None]
    centred = gram[np.ix_(hull, hull)] - across[:, :, None] - across[:, None] + origin
    sq_lengths = centred.diagonal(axis1=1, axis2=2)
    centred = centred + np.eye(len(hull)) * (1e-9 * sq_lengths.max(1, keepdims=True) + 1e-30)[..., None]
    residuals = 1 / np.maximum(np.linalg.inv(centred).sum((1, 2)), 1e-30)
    limit = MERGE.max_noise_chi2 * noise + MERGE.exact_residual_ratio * sq_lengths.min(1)
    return [int(other) for other in tested[residuals <= limit]]
