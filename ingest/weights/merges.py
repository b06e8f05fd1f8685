"""Merges: is a model a combination of others, of which, with what weights, by which method?

Linear merges and task arithmetic are one least-squares fit that leaves no more than the rounding of the stored type;
SLERP fits the same way tensor by tensor; TIES and DARE go element by element (`sparse.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingest.weights.copies import step_noise
from ingest.weights.family import Doubles, Integers, Vectors
from ingest.weights.model import RUN
from ingest.weights.safetensors import Floats
from ingest.weights.sparse import find_sparse
from ingest.weights.view import Merge, View

NOISE = 2.5
"""Mean squared residual, in units of the storage noise, up to which a fit is exact."""
TINY = 1e-6
"""Squared residual over squared distance to the nearest model, up to which a fit is exact whatever the noise."""
CLOSE = 1e-4
"""The same of a fit with factors of its own in each tensor."""
LEFT_OVER = 0.1
"""Squared residual over squared distance to the nearest, above which nothing is a merge, however coarse its type."""
LEAST_WEIGHT = 0.04
HOPELESS = 0.92
"""Residual of the best pair, over the squared distance to the nearest, above which larger sets are not tried: merges of
three leave a quarter, task vectors of three two thirds, a fine-tune nearly all."""
BEAM, PAIRS = 40, 12
NEAREST = 128
"""Models that a merge is looked for among."""
RIDGE = 1e-3
"""Of the squared distance to the nearest, added to each: keeps models that depend on each other solvable."""
STRAIGHT = 1e-3
"""Angle below which an arc is a line."""


def find_merge(
    view: View, child: int, candidates: Sequence[int], noise: Floats, *, mixed: bool = False
) -> Merge | None:
    """Return the best explanation of a model as a merge, or None.

    Args:
        view: The family.
        child: Row of the model.
        candidates: Rows of possible parents, copies of each other left out; the nearest of them are looked at.
        noise: Variance that storing the child added to each element, shape (p, 32).
        mixed: Whether units may be in different orders: SLERP then turns by right angles, and its weights add up to
            more than one.
    """
    others = among(child, candidates, view.squared)
    if len(others) < 2:
        return None
    sets = _sets(view, child, others)
    found = _combined(view, child, sets, others, noise)
    if found is not None:
        return found
    pairs = _turned(view.some, child, others) if mixed else [rows for rows in sets if len(rows) == 2][:PAIRS]
    found = _slerp(view, child, pairs, others, noise)
    return found if found is not None or view.grids[child] else find_sparse(view, child, others, noise)


def find_combined(view: View, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the best explanation of a model as one linear combination of others, or None.

    Arguments are those of `find_merge`.
    """
    others = among(child, candidates, view.squared)
    return _combined(view, child, _sets(view, child, others), others, noise) if len(others) > 1 else None


def _sets(view: View, child: int, others: Sequence[int]) -> list[tuple[int, ...]]:
    """Return sets of models that may be combined to another, small ones first."""
    enough = 0.2 * float(view.squared[child, others].min()) / view.vectors.flat.shape[1]
    return [rows for rows, left in subsets(view.inner, child, others, HOPELESS, enough) if left <= enough]


def _combined(
    view: View, child: int, sets: Sequence[tuple[int, ...]], others: Sequence[int], noise: Floats
) -> Merge | None:
    """Return the first of some sets whose combination leaves nothing and can be named."""
    near = sorted(others, key=lambda row: float(view.squared[child, row])) if sets else []
    for rows in sets:
        solved, rest = _exact(view, child, rows, near, noise)
        found = None if solved is None else named(rows, solved, rest)
        if found is not None:
            return found
    return None


def among(child: int, candidates: Sequence[int], squared: Doubles) -> list[int]:
    """Return the models that a merge is looked for among."""
    others = [row for row in candidates if row != child and squared[child, row] > 0]
    if len(others) > NEAREST:
        # Whoever is no part of a mean lies farther from it than its parts.
        others = sorted(sorted(others, key=lambda row: float(squared[child, row]))[:NEAREST])
    return others


def subsets(
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
        Rows and mean squared residual an element, small sets first, the best of a size first.
    """
    rows = np.array(others)
    gram = inner[np.ix_(rows, rows)] - inner[rows, child][:, None] - inner[child, rows] + inner[child, child]
    lengths = np.diag(gram)
    if enough < np.inf and _together(gram) > enough:
        return []
    sets, left = _pairs(gram)
    if left[0] > hopeless * float(lengths.min()):
        return []
    found: list[tuple[tuple[int, ...], float]] = []
    for size in (2, 3, 4):
        if size > 2:
            sets, left = _grown(gram, sets)
        found += zip(map(tuple, rows[sets].tolist()), left.tolist(), strict=True)
        if not len(sets):
            break
    return found


def _together(gram: Doubles) -> float:
    """Return what the affine combination of all models that comes nearest to the origin leaves: no part leaves less.

    The ridge keeps dependent models solvable; it adds a thousandth of the nearest's squared length times the sum of the
    squared weights, which is far below what sets are asked for.
    """
    stiff = gram.copy()
    stiff[np.diag_indices(len(gram))] += RIDGE * float(np.diag(gram).min())
    return 1 / float(np.linalg.solve(stiff, np.ones(len(gram))).sum())


def _pairs(gram: Doubles) -> tuple[Integers, Doubles]:
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


def _grown(gram: Doubles, sets: Integers) -> tuple[Integers, Doubles]:
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
    some = _least(left.reshape(-1), BEAM * (size + 1))
    place, new = np.divmod(some, len(gram))
    grown = np.sort(np.column_stack((sets[place], new)), 1)
    first = np.sort(np.unique(grown @ (len(gram) ** np.arange(size + 1)), return_index=True)[1])[:BEAM]
    return grown[first], left.reshape(-1)[some[first]]


def _least(values: Doubles, count: int) -> Integers:
    """Return the places of the least of some values, the least first; none that is infinite."""
    able = np.flatnonzero(np.isfinite(values))
    if count < len(able):
        able = able[values[able] <= np.partition(values[able], count)[count]]
    return able[np.argsort(values[able], kind="stable")[:count]]


def in_span(inner: Doubles, rows: Sequence[int], others: Sequence[int], noise: Doubles) -> list[int]:
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


def named(rows: Sequence[int], weights: Doubles, left: float) -> Merge | None:
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


def fitted(vectors: Vectors, child: int, chosen: Sequence[int], noise: Floats) -> tuple[Doubles, Doubles]:
    """Fit an affine combination on all elements; return its weights, and what it leaves, shape (elements,)."""
    flat = vectors.flat
    origin = flat[chosen[0]].astype(np.float64)
    design = flat[list(chosen[1:])].astype(np.float64) - origin
    target = flat[child].astype(np.float64) - origin
    scale = 1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18)
    weighted = design * scale
    solved = np.linalg.lstsq(weighted @ weighted.T, weighted @ (target * scale), rcond=1e-12)[0]
    return np.array([1 - solved.sum(), *solved]), target - solved @ design


def _exact(
    view: View, child: int, chosen: Sequence[int], near: Sequence[int], noise: Floats
) -> tuple[Doubles | None, float]:
    """Return the weights of a fit whose residual is noise, and the residual; `near` as in `_fits`."""
    solved, rest = fitted(view.vectors, child, chosen, noise)
    scale = 1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18)
    left = float(np.square(rest).sum())
    fits = _fits(view, child, chosen, near, scale, _typical(rest * scale), left)
    away = _apart(view, child, near[0])
    return (solved if fits or left < TINY * away else None), (left / away) ** 0.5


def _apart(view: View, child: int, other: int) -> float:
    """Return the squared distance of two models, from their values: a table's is too coarse."""
    return max(float(np.square(view.vectors.flat[child] - view.vectors.flat[other]).sum()), 1e-30)


def _fits(
    view: View, child: int, chosen: Sequence[int], near: Sequence[int], scale: Doubles, chi: float, left: float
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
    if chi >= NOISE or _typical((flat[child].astype(np.float64) - flat[near[0]]) * scale) <= 3 * chi:
        return False
    for row in near:
        if left < LEFT_OVER * _apart(view, child, row):
            return True
        noise = float(step_noise(view.vectors, row, view.grids[row]).mean())
        if row in chosen or not in_span(view.inner, chosen, [row], np.array([noise])):
            return False
    return False


def _typical(scaled: Doubles) -> float:
    """Mean square by way of the median: an element that happens to be near zero claims a noise near zero."""
    return float(np.median(np.square(scaled))) / 0.455


def _turned(some: Vectors, child: int, others: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the pairs whose combinations, others in each tensor, come nearest to a model: two by two solved."""
    rows = np.array(others)
    explained = np.zeros((len(rows), len(rows)))
    for start, stop, _ in some.bounds:
        parts = some.values[rows, start:stop].reshape(len(rows), -1).astype(np.float64)
        gram, along = parts @ parts.T, parts @ some.values[child, start:stop].reshape(-1).astype(np.float64)
        lengths = np.diag(gram) * (1 + 1e-9) + 1e-30
        spread = lengths[:, None] * lengths - gram * gram
        alone = np.outer(along**2, lengths)
        explained += (alone + alone.T - 2 * np.outer(along, along) * gram) / spread
    explained[np.tril_indices(len(rows))] = -np.inf
    best = np.argsort(-explained.reshape(-1), kind="stable")[: min(PAIRS, len(rows) * (len(rows) - 1) // 2)]
    return [(int(rows[first]), int(rows[second])) for first, second in zip(*np.divmod(best, len(rows)), strict=True)]


def _slerp(
    view: View, child: int, pairs: Sequence[tuple[int, ...]], others: Sequence[int], noise: Floats
) -> Merge | None:
    """Try the likeliest pairs: two weights a tensor."""
    best: Merge | None = None
    vectors, near = view.vectors, sorted(others, key=lambda row: float(view.squared[child, row]))
    distance = _apart(view, child, near[0])
    scale = 1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18)
    for first, second in pairs:
        shares, rests, told = list[tuple[float, float]](), list[Doubles](), list[Doubles]()
        for start, stop, _ in vectors.bounds:
            pair = vectors.values[[first, second], start:stop].reshape(2, -1).astype(np.float64)
            target = vectors.values[child, start:stop].reshape(-1).astype(np.float64)
            solved, shared = arc(pair, target)
            rests.append(target - solved @ pair)
            # What training left alone fits any combination with the one that has it.
            if not np.array_equal(target, pair[0]) and not np.array_equal(target, pair[1]):
                told.append(rests[-1] * scale[start * RUN : stop * RUN])
                shares.append(shared)
        if not shares:
            continue
        left, chi = float(sum(np.square(rest).sum() for rest in rests)), _typical(np.concatenate(told))
        mean, residual = np.mean(shares, 0), (left / distance) ** 0.5
        if min(mean) <= LEAST_WEIGHT or (best is not None and residual >= best.residual):
            continue
        if left < CLOSE * distance or _fits(view, child, (first, second), near, scale, chi, left):
            turned = sorted(zip((first, second), map(float, mean), strict=True), key=lambda item: -item[1])
            rows, weights = zip(*turned, strict=True)
            best = Merge(rows, weights, None, "slerp", residual, 1.0)
    return best


def arc(pair: Doubles, target: Doubles) -> tuple[Doubles, tuple[float, float]]:
    """Fit a vector by two others, shape (2, elements).

    Returns:
        The factor of each; and how near to each end of the arc between the two their combination lies, 1 in all.
    """
    gram = pair @ pair.T
    gram[np.diag_indices(2)] *= 1 + 1e-10
    solved = np.asarray(np.linalg.solve(gram, pair @ target), np.float64)
    cosine = gram[0, 1] / max(float(np.sqrt(gram[0, 0] * gram[1, 1])), 1e-30)
    angle = float(np.arccos(np.clip(cosine, -1, 1)))
    first, second = map(float, solved)
    if angle < STRAIGHT:
        part = second / (first + second) if first + second else 0.5
    else:
        part = float(np.arctan2(second * np.sin(angle), first + second * np.cos(angle))) / angle
    return solved, (1 - part, part)
