"""Subset search: which few models have an affine combination nearest to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Integers

NOISE = 2.5
"""Mean squared residual, in units of the storage noise, up to which a fit is exact."""


TINY = 1e-6
"""Squared residual over squared distance to the nearest model, up to which a fit is exact whatever the noise."""


HOPELESS = 0.92
"""Residual of the best pair, over the squared distance to the nearest, above which larger sets are not tried: merges of
three leave a quarter, task vectors of three two thirds, a fine-tune nearly all."""


BEAM = 40
PAIRS = 12


NEAREST = 128
"""Models that a merge is looked for among."""


RIDGE = 1e-3
"""Of the squared distance to the nearest, added to each: keeps models that depend on each other solvable."""


def nearest_candidates(child: int, candidates: Sequence[int], squared: Doubles) -> list[int]:
    """Return the models that a merge is looked for among."""
    others = [row for row in candidates if row != child and squared[child, row] > 0]
    if len(others) > NEAREST:
        # Whoever is no part of a mean lies farther from it than its parts.
        others = sorted(sorted(others, key=lambda row: float(squared[child, row]))[:NEAREST])
    return others


def search_subsets(
    inner: Doubles, child: int, others: Sequence[int], hopeless: float = np.inf, enough: float = np.inf
) -> list[tuple[tuple[int, ...], float]]:
    """Search sets of two to four models for the affine combinations that come nearest to the child.

    All pairs are tried, larger sets grow from the best smaller ones: other merges in the family make its models
    linearly dependent, where one fit of all would spread over them.

    Args:
        inner: Inner products of the models (`View`).
        child: Row of the model.
        others: Rows of possible parents, two at least.
        hopeless: Residual of the best pair, over the squared distance to the nearest, above which there is no merge.
        enough: Mean squared residual that a set may leave; there is none where all models together leave more.

    Returns:
        Integers and mean squared residual an element, small sets first, the best of a size first.
    """
    rows = np.array(others)
    gram = inner[np.ix_(rows, rows)] - inner[rows, child][:, None] - inner[child, rows] + inner[child, child]
    lengths = np.diag(gram)
    if enough < np.inf and joint_residual(gram) > enough:
        return []
    sets, left = best_pairs(gram)
    if left[0] > hopeless * float(lengths.min()):
        return []
    found: list[tuple[tuple[int, ...], float]] = []
    for size in (2, 3, 4):
        if size > 2:
            sets, left = extend_subsets(gram, sets)
        found += zip(map(tuple, rows[sets].tolist()), left.tolist(), strict=True)
        if not len(sets):
            break
    return found


def joint_residual(gram: Doubles) -> float:
    """Return what the affine combination of all models that comes nearest to the origin leaves: no part leaves less.

    The ridge keeps dependent models solvable; it adds a thousandth of the nearest's squared length times the sum of the
    squared weights, which is far below what sets are asked for.
    """
    stiff = gram.copy()
    stiff[np.diag_indices(len(gram))] += RIDGE * float(np.diag(gram).min())
    return 1 / float(np.linalg.solve(stiff, np.ones(len(gram))).sum())


def best_pairs(gram: Doubles) -> tuple[Integers, Doubles]:
    """Return the pairs whose affine combinations come nearest to the origin, and what they leave: two by two solved."""
    lengths = np.diag(gram) * (1 + 1e-9) + 1e-30
    total = lengths[:, None] + lengths - 2 * gram
    determinant = np.maximum(lengths[:, None] * lengths - gram * gram, 0)
    left = determinant / np.maximum(total, 1e-30)
    left[np.tri(len(gram), dtype=bool)] = np.inf
    flat = left.reshape(-1)
    count = min(BEAM, len(gram) * (len(gram) - 1) // 2)
    best = np.argpartition(flat, count - 1)[:count]
    best = best[np.argsort(flat[best], kind="stable")]
    return np.stack(np.divmod(best, len(gram)), 1), flat[best]


def extend_subsets(gram: Doubles, sets: Integers) -> tuple[Integers, Doubles]:
    """Return the best sets that are one model larger, and what they leave.

    The point of an affine span nearest to the origin is 1 / (1' G^-1 1) away from it, squared; what one more model adds
    to that sum follows from its Schur complement, without solving anew.
    """
    if not len(sets):
        return sets, np.empty(0)
    size = sets.shape[1]
    inner = gram[sets[:, :, None], sets[:, None, :]]
    inner[:, np.arange(size), np.arange(size)] *= 1 + 1e-9
    inner[:, np.arange(size), np.arange(size)] += 1e-30
    inverse = np.linalg.inv(inner)
    across = gram[sets]
    solved = inverse @ across
    lengths = np.diag(gram) * (1 + 1e-9) + 1e-30
    apart = np.maximum(lengths - (across * solved).sum(1), 1e-12 * lengths)
    total = inverse.sum((1, 2))[:, None] + (1 - solved.sum(1)) ** 2 / apart
    left = 1 / np.maximum(total, 1e-30)
    np.put_along_axis(left, sets, np.inf, 1)
    # A set is met once for each of its models.
    some = _smallest(left.reshape(-1), BEAM * (size + 1))
    place, new = np.divmod(some, len(gram))
    grown = np.sort(np.column_stack((sets[place], new)), 1)
    first = np.sort(np.unique(grown @ (len(gram) ** np.arange(size + 1)), return_index=True)[1])[:BEAM]
    return grown[first], left.reshape(-1)[some[first]]


def _smallest(values: Doubles, count: int) -> Integers:
    """Return the places of the least of some values, the least first; none that is infinite."""
    able = np.flatnonzero(np.isfinite(values))
    if count < len(able):
        able = able[values[able] <= np.partition(values[able], count)[count]]
    return able[np.argsort(values[able], kind="stable")[:count]]


def in_affine_hull(inner: Doubles, rows: Sequence[int], others: Sequence[int], noise: Doubles) -> list[int]:
    """Return which models are combinations of some: what these are combined to, they may have their part in.

    Args:
        inner: Inner products of the models (`View`).
        rows: Models that span, two at least.
        others: Models asked about.
        noise: Mean variance that storing each of the others added to an element, shape (others,).
    """
    at, asked = np.array(rows), np.array(others, np.int64)
    across = inner[np.ix_(asked, at)]
    gram = inner[np.ix_(at, at)] - across[:, :, None] - across[:, None] + inner[asked, asked][:, None, None]
    lengths = gram.diagonal(axis1=1, axis2=2)
    gram = gram + np.eye(len(at)) * (1e-9 * lengths.max(1, keepdims=True) + 1e-30)[..., None]
    left = 1 / np.maximum(np.linalg.inv(gram).sum((1, 2)), 1e-30)
    return [int(other) for other in asked[left <= NOISE * noise + TINY * lengths.min(1)]]
