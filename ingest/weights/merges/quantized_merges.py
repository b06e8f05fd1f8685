"""Merges that were quantized afterwards, where the merge itself is not in the family.

Quantization to few bits moves every weight further than merging did, so every fit leaves a residual. But the
unquantized merge is known up to its weights: the fitted combination of the parents. It serves as the original of a
quantized copy, and the copy test (`quantization_grid`) checks it value by value. TIES is tested in the same way, up to
density and scale (`ties_reconstruction.py`). DARE, and TIES that was not reconstructed, are found as elsewhere
(`ties_dare.py`), within half a step of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.merges.linear import affine_least_squares, classify_weights
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.merges.slerp import fit_slerp_tensor
from ingest.weights.merges.subset_search import nearest_candidates, search_subsets
from ingest.weights.merges.ties_dare import find_ties_dare
from ingest.weights.merges.ties_reconstruction import reconstruct_ties
from ingest.weights.pairwise.quantization_grid import (
    is_eight_bit,
    match_quantization,
    quantize_models,
    tensors_on_grid,
)
from ingest.weights.parameters.merge_parameters import MERGE
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors

_LIMITS = MERGE.quantized
COARSEST_DTYPE = {"F64": "BF16", "F32": "BF16", "F16": "BF16"}
"""The coarsest type that a merge may have been stored in, by the type of its tensors that were not quantized."""


def find_quantized_merge(problem: MergeProblem, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the merge that a quantized model is a copy of, or None.

    Args:
        problem: The family.
        child: Row of the quantized model.
        candidates: Rows of possible inputs, one of each set of duplicates.
        noise: Variance that quantizing the child added to each element, shape (p, 32).
    """
    others = nearest_candidates(child, candidates, problem.sq_distance)
    if len(others) < 2:
        return None
    return (
        _best_linear_or_slerp(problem, child, others, noise)
        or _best_ties(problem, child, others)
        or find_ties_dare(problem, child, others, noise)
    )


def _best_linear_or_slerp(problem: MergeProblem, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the linear, SLERP or task arithmetic merge that a quantized model is a copy of, or None.

    Of those that explain nearly the most, it is the one with the fewest inputs.
    """
    vectors, grid = problem.vectors, problem.quantization[child]
    found = search_subsets(problem.gram, child, candidates)
    subsets = [
        rows for size in (2, 3, 4) for rows in [rows for rows, _ in found if len(rows) == size][: _LIMITS.max_subsets]
    ]
    nearest_sq = float(problem.sq_distance[child, candidates].min())
    predictions = [
        *_linear_merges(vectors, child, subsets, noise, nearest_sq),
        *_slerp_merges(vectors, child, subsets, nearest_sq),
    ]
    scored = _score_merges(problem, child, predictions)
    best = max((merge.explained for merge in scored), default=0.0)
    if best < (PAIRWISE.min_copy_share if is_eight_bit(grid) else _LIMITS.min_coarse_share):
        return None
    close = [merge for merge in scored if merge.explained > best - _LIMITS.share_tolerance]
    return min(close, key=lambda merge: (len(merge.inputs), -merge.explained))


def _best_ties(problem: MergeProblem, child: int, candidates: Sequence[int]) -> Merge | None:
    """Return the reconstructed TIES merge that a quantized model is a copy of, or None."""
    predictions = list(reconstruct_ties(problem.vectors, child, candidates, problem.sq_distance))
    scored = _score_merges(problem, child, predictions)
    best = max(scored, key=lambda merge: merge.explained, default=None)
    is_coarse = not is_eight_bit(problem.quantization[child])
    least = _LIMITS.min_coarse_ties_share if is_coarse else _LIMITS.min_ties_share
    return best if best is not None and best.explained > least else None


def _score_merges(problem: MergeProblem, child: int, predictions: Sequence[tuple[Merge, Floats]]) -> list[Merge]:
    """Return merges with the share of a quantized model that each explains as its original.

    Args:
        problem: The family.
        child: Row of the quantized model.
        predictions: Merges with their predicted values, shape (p, 32) each.
    """
    if not predictions:
        return []
    stacked = _stack_predictions(
        problem.vectors, child, problem.quantization[child], [values for _, values in predictions]
    )
    rows = np.arange(1, len(predictions) + 1)
    copies = match_quantization(stacked, 0, rows, quantize_models(stacked, rows, like=0))
    return [merge._replace(explained=copy.explained) for (merge, _), copy in zip(predictions, copies, strict=True)]


def _linear_merges(
    vectors: Vectors, child: int, subsets: Sequence[tuple[int, ...]], noise: Floats, nearest_sq: float
) -> Iterator[tuple[Merge, Floats]]:
    """Yield linear merges and task arithmetic, each with its predicted values, shape (p, 32)."""
    values = vectors.values[child]
    for rows in subsets:
        weights, residual = affine_least_squares(vectors, child, rows, noise)
        merge = classify_weights(rows, weights, float(np.sqrt(residual @ residual / nearest_sq)))
        if merge is not None:
            yield merge, (values - residual.reshape(values.shape)).astype(np.float32)


def _slerp_merges(
    vectors: Vectors, child: int, subsets: Sequence[tuple[int, ...]], nearest_sq: float
) -> Iterator[tuple[Merge, Floats]]:
    """Yield two SLERP merges of each pair, with their predicted values, shape (p, 32).

    One has a fraction of its own in each tensor, the other has the same fraction in all.
    """
    values = vectors.values[child]
    for pair in (rows for rows in subsets if len(rows) == 2):
        free, fractions = np.empty_like(values), []
        for start, stop, _ in vectors.bounds:
            both = vectors.values[list(pair), start:stop].reshape(2, -1).astype(np.float64)
            factors, (_, fraction) = fit_slerp_tensor(both, values[start:stop].reshape(-1).astype(np.float64))
            free[start:stop] = (factors @ both).reshape(stop - start, -1)
            fractions.append(fraction)
        mean = float(np.mean(fractions))
        shared, shared_fraction = _fit_shared_fraction(vectors, values, pair, mean)
        for start, stop, _ in vectors.bounds:
            # Tensors that were not quantized fit to the last bit by factors of their own.
            here = slice(start, stop)
            shared_residual = _sq_distance(values[here], shared[here])
            if _sq_distance(values[here], free[here]) < _LIMITS.unquantized_ratio * shared_residual:
                shared[here] = free[here]
        for predicted, at in ((free, mean), (shared, shared_fraction)):
            parents, weights = (pair[::-1], (at, 1 - at)) if at > 0.5 else (pair, (1 - at, at))
            if weights[1] > MERGE.min_weight:
                residual = float(np.sqrt(_sq_distance(values, predicted) / nearest_sq))
                yield Merge(parents, weights, None, "slerp", residual, 1.0), predicted


def _sq_distance(first: Floats, second: Floats) -> float:
    """Return the squared distance of two arrays of one shape."""
    return float(np.square(first - second).sum())


def _fit_shared_fraction(
    vectors: Vectors, values: Floats, pair: tuple[int, ...], fraction: float
) -> tuple[Floats, float]:
    """Fit one SLERP fraction for all tensors by Gauss–Newton steps.

    Args:
        vectors: Aligned samples.
        values: Values of the child, shape (p, 32).
        pair: Rows of the two models.
        fraction: Fraction t to start from.

    Returns:
        Predicted values, shape (p, 32), and the fraction.
    """
    for _ in range(_LIMITS.newton_steps):
        step = _LIMITS.newton_difference
        predicted, ahead = (_slerp(vectors, pair, at) for at in (fraction, fraction + step))
        slope = (ahead - predicted) / step
        correction = np.vdot(values - predicted, slope) / max(float(np.vdot(slope, slope)), 1e-30)
        fraction = float(np.clip(fraction + correction, 0, 1))
    return _slerp(vectors, pair, fraction).astype(np.float32), fraction


def _slerp(vectors: Vectors, pair: tuple[int, ...], fraction: float) -> Doubles:
    """Return the SLERP of two models at one fraction, tensor by tensor, shape (p, 32)."""
    out = np.empty(vectors.values.shape[1:])
    for start, stop, _ in vectors.bounds:
        first, second = vectors.values[list(pair), start:stop].astype(np.float64)
        lengths = np.sqrt(np.vdot(first, first) * np.vdot(second, second))
        cosine = np.clip(np.vdot(first, second) / max(lengths, 1e-30), -1, 1)
        angle = max(float(np.arccos(cosine)), MERGE.min_slerp_angle)
        ends = np.sin((1 - fraction) * angle) * first + np.sin(fraction * angle) * second
        out[start:stop] = ends / np.sin(angle)
    return out


def _stack_predictions(vectors: Vectors, child: int, grid: str, predictions: Sequence[Floats]) -> Vectors:
    """Return a quantized model in row 0 and possible originals of it in the rows below.

    A merge may have been stored in a coarse type before it was quantized. So tensors that were not quantized are
    compared within the rounding of that type.

    Args:
        vectors: Aligned samples.
        child: Row of the quantized model.
        grid: Its quantization grid.
        predictions: Predicted values of the originals, shape (p, 32) each.
    """
    count, on_grid = len(predictions) + 1, tensors_on_grid(vectors, child, grid)
    dtypes = [
        dtype if quantized else COARSEST_DTYPE.get(dtype, dtype)
        for dtype, quantized in zip(vectors.dtypes[child], on_grid.tolist(), strict=True)
    ]
    return replace(
        vectors,
        values=np.stack([vectors.values[child], *predictions]),
        row_max=np.repeat(vectors.row_max[[child]], count, 0),
        block_max=np.repeat(vectors.block_max[[child]], count, 0),
        dtypes=[dtypes] * count,
        main_dtype=[vectors.main_dtype[child]] * count,
        members=list(range(count)),
    )
