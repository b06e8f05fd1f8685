"""Merges that were rounded afterwards, the merge itself not being there.

Rounding to few bits moves every weight further than merging did, so no fit leaves nothing over. But what was rounded is
known but for its weights: the combination of the parents is the original that the quantized model is a copy of, and its
grid answers as it does for any copy (`copies.explain`), value by value. So it does for TIES, of which it is known what
comes out, but for two numbers (`elected.py`). DARE is told as it is elsewhere, within half a step of the grid
(`sparse.py`), and TIES that was not found so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.merges.linear import LEAST_WEIGHT, affine_least_squares, classify_weights
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.merges.slerp import STRAIGHT, fit_slerp_tensor
from ingest.weights.merges.subset_search import nearest_candidates, search_subsets
from ingest.weights.merges.ties_dare import find_ties_dare
from ingest.weights.merges.ties_reconstruction import reconstruct_ties
from ingest.weights.pairwise.quantization_grid import LEAST, explain, is_fine, lies_on, on_grids
from ingest.weights.samples.aligned_samples import Vectors

TRIED = 8
"""Sets of each size whose combination is looked at."""
SETTLING, STEP = 4, 1e-3
"""Steps of Newton's towards a place on the arc, and the distance that its slope is taken over."""
UNTOUCHED = 0.1
"""What a tensor's own factors leave, over what those of all tensors do, below which it was not rounded."""
LOOSE = {"F64": "BF16", "F32": "BF16", "F16": "BF16"}
"""The coarsest of the types that a merge may have been stored in, by that of what was not quantized of it."""
LEAST_COARSE = 0.985
"""Share that a merge of four or five bits is explained by at least: of true ones .995, of others up to .981 was."""
ELECTED, ELECTED_COARSE = 0.87, 0.93
"""The same of TIES by election, of eight bits and of fewer: of 21 true ones .88 and .946 and more, by the very parents
and base; of trained models of four bits up to .883, of DARE up to .57 (seeds 512, 582, 586, 588, 597, 600, 601)."""
ALIKE = 0.01
"""Share explained within which the smallest set is taken."""


def find_quantized_merge(view: MergeProblem, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the merge that a quantized model is a copy of, or None.

    Args:
        view: The family.
        child: Row of the quantized model.
        candidates: Rows of possible parents, copies of each other left out.
        noise: Variance that rounding the child added to each element, shape (p, 32).
    """
    others = nearest_candidates(child, candidates, view.sq_distance)
    if len(others) < 2:
        return None
    return (
        _best_linear_or_slerp(view, child, others, noise)
        or _best_ties(view, child, others)
        or find_ties_dare(view, child, others, noise)
    )


def _best_linear_or_slerp(view: MergeProblem, child: int, others: Sequence[int], noise: Floats) -> Merge | None:
    """Return the linear, SLERP or task arithmetic merge that a quantized model is a copy of, or None."""
    vectors, squared, grid = view.vectors, view.sq_distance, view.quantization[child]
    sets = search_subsets(view.gram, child, others)
    some = [rows for size in (2, 3, 4) for rows in [rows for rows, _ in sets if len(rows) == size][:TRIED]]
    away = float(squared[child, others].min())
    found = [*_linear_merges(vectors, child, some, noise, away), *_slerp_merges(vectors, child, some, away)]
    told = _score_merges(view, child, found)
    best = max((merge.explained for merge in told), default=0.0)
    if best < (LEAST if is_fine(grid) else LEAST_COARSE):
        return None
    alike = [merge for merge in told if merge.explained > best - ALIKE]
    return min(alike, key=lambda merge: (len(merge.parents) + (merge.base is not None), -merge.explained))


def _best_ties(view: MergeProblem, child: int, others: Sequence[int]) -> Merge | None:
    """Return the TIES merge that a quantized model is a copy of, or None."""
    told = _score_merges(view, child, list(reconstruct_ties(view.vectors, child, others, view.sq_distance)))
    best = max(told, key=lambda merge: merge.explained, default=None)
    least = ELECTED if is_fine(view.quantization[child]) else ELECTED_COARSE
    return best if best is not None and best.explained > least else None


def _score_merges(view: MergeProblem, child: int, found: Sequence[tuple[Merge, Floats]]) -> list[Merge]:
    """Return merges with the share of a quantized model that each explains."""
    if not found:
        return []
    beside = _stack_merges(view.vectors, child, view.quantization[child], [made for _, made in found])
    rows = np.arange(1, len(found) + 1)
    told = explain(beside, 0, rows, on_grids(beside, rows, like=0))
    return [merge._replace(explained=copy.share) for (merge, _), copy in zip(found, told, strict=True)]


def _linear_merges(
    vectors: Vectors, child: int, sets: Sequence[tuple[int, ...]], noise: Floats, away: float
) -> Iterator[tuple[Merge, Floats]]:
    """Yield linear merges and task arithmetic, each with what is merged, shape (p, 32)."""
    ours = vectors.values[child]
    for rows in sets:
        weights, rest = affine_least_squares(vectors, child, rows, noise)
        merge = classify_weights(rows, weights, float(np.sqrt(rest @ rest / away)))
        if merge is not None:
            yield merge, (ours - rest.reshape(ours.shape)).astype(np.float32)


def _slerp_merges(
    vectors: Vectors, child: int, sets: Sequence[tuple[int, ...]], away: float
) -> Iterator[tuple[Merge, Floats]]:
    """Yield SLERP merges of pairs: at a place of its own on the arc of each tensor, and at one place on all of them."""
    ours = vectors.values[child]
    for pair in (rows for rows in sets if len(rows) == 2):
        free, places = np.empty_like(ours), []
        for start, stop, _ in vectors.bounds:
            both = vectors.values[list(pair), start:stop].reshape(2, -1).astype(np.float64)
            solved, shared = fit_slerp_tensor(both, ours[start:stop].reshape(-1).astype(np.float64))
            free[start:stop] = (solved @ both).reshape(stop - start, -1)
            places.append(shared[1])
        settled, place = _fit_shared_fraction(vectors, ours, pair, float(np.mean(places)))
        for start, stop, _ in vectors.bounds:
            # Tensors that were not rounded fit to the last bit, where each has its own factors.
            here = slice(start, stop)
            if _sq_distance(ours[here], free[here]) < UNTOUCHED * _sq_distance(ours[here], settled[here]):
                settled[here] = free[here]
        for made, at in ((free, float(np.mean(places))), (settled, place)):
            heavy, light = (pair[::-1], (at, 1 - at)) if at > 0.5 else (pair, (1 - at, at))
            if light[1] > LEAST_WEIGHT:
                yield Merge(heavy, light, None, "slerp", float(np.sqrt(_sq_distance(ours, made) / away)), 1.0), made


def _sq_distance(first: Floats, second: Floats) -> float:
    return float(np.square(first - second).sum())


def _fit_shared_fraction(vectors: Vectors, ours: Floats, pair: tuple[int, ...], place: float) -> tuple[Floats, float]:
    """Return what lies at the one place on the arcs of all tensors that is nearest to a model, and the place."""
    for _ in range(SETTLING):
        made, ahead = (_slerp(vectors, pair, at) for at in (place, place + STEP))
        slope = (ahead - made) / STEP
        place = float(np.clip(place + np.vdot(ours - made, slope) / max(float(np.vdot(slope, slope)), 1e-30), 0, 1))
    return _slerp(vectors, pair, place).astype(np.float32), place


def _slerp(vectors: Vectors, pair: tuple[int, ...], place: float) -> Doubles:
    """Return what lies at a place on the arc between two models, tensor by tensor, shape (p, 32)."""
    made = np.empty(vectors.values.shape[1:])
    for start, stop, _ in vectors.bounds:
        first, second = vectors.values[list(pair), start:stop].astype(np.float64)
        lengths = np.sqrt(np.vdot(first, first) * np.vdot(second, second))
        angle = max(float(np.arccos(np.clip(np.vdot(first, second) / max(lengths, 1e-30), -1, 1))), STRAIGHT)
        made[start:stop] = (np.sin((1 - place) * angle) * first + np.sin(place * angle) * second) / np.sin(angle)
    return made


def _stack_merges(vectors: Vectors, child: int, grid: str, made: Sequence[Floats]) -> Vectors:
    """Return a quantized model, and below it what it may be a copy of.

    The merge may have been stored in few bits before it was quantized: tensors that were not are compared as such.
    """
    count, on = len(made) + 1, lies_on(vectors, child, grid)
    loose = [
        dtype if quantized else LOOSE.get(dtype, dtype)
        for dtype, quantized in zip(vectors.dtypes[child], on.tolist(), strict=True)
    ]
    return replace(
        vectors,
        values=np.stack([vectors.values[child], *made]),
        row_max=np.repeat(vectors.row_max[[child]], count, 0),
        block_max=np.repeat(vectors.block_max[[child]], count, 0),
        dtypes=[loose] * count,
        main_dtype=[vectors.main_dtype[child]] * count,
        members=list(range(count)),
    )
