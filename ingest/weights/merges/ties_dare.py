"""TIES and DARE: merges of sparse task vectors, which leave some elements exactly at the base's value.

TIES takes the mean of the trimmed task vectors that agree in sign (arXiv 2306.01708). DARE drops elements of each task
vector at random and takes their rescaled sum (arXiv 2311.03099).

Where one parent's task vector alone is left, the child's is a fixed multiple of it, the scale. So the ratios of the two
peak at the scale, which identifies parents and scale. Then every changed element has to be the base plus a scaled
combination of some of the parents' task vectors. That is their sum (DARE) or mean (TIES). It may be off by rounding,
or by half a step of a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.merges.merge import Merge, MergeProblem, max_rounding_error
from ingest.weights.pairwise.quantization_grid import storage_noise
from ingest.weights.parameters.merge_parameters import MERGE, ElementParameters, TiesDareParameters
from ingest.weights.samples.aligned_samples import Vectors, count_flags

_LIMITS = MERGE.ties_dare


def find_ties_dare(problem: MergeProblem, child: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the TIES or DARE merge that explains most elements of a model, or None.

    Args:
        problem: The family.
        child: Row of the model.
        candidates: Rows of possible parents and bases.
        noise: Variance that storing the child added to each element, shape (p, 32).
    """
    best: Merge | None = None
    tolerance = max_rounding_error(noise).reshape(-1).astype(np.float64)
    for base in _candidate_bases(problem, child, candidates):
        merge = _explain_from_base(problem.vectors, child, candidates, base, tolerance)
        if merge is not None and (best is None or merge.explained > best.explained):
            best = merge
    if best is None or best.explained <= _LIMITS.min_informative_share or best.residual >= 1 - _LIMITS.min_share:
        return None
    return best


def _candidate_bases(problem: MergeProblem, child: int, candidates: Sequence[int]) -> list[int]:
    """Return the models of which the child has some values in nearly every tensor, the greatest share first.

    At scale one it has parents' values as well as the base's.
    """
    candidates = [row for row in candidates if problem.is_possible_base[child, row]]
    if not candidates:
        return []
    thin = problem.search_vectors
    tolerance = max_rounding_error(storage_noise(thin, child, problem.quantization[child]))
    equal = count_flags(np.abs(thin.values[child] - thin.values[candidates]) <= tolerance)
    shares, _ = thin.tensor_means(equal / RUN_LENGTH)
    in_range = (shares > _LIMITS.min_base_share) & (shares < _LIMITS.max_base_share)
    is_base = in_range.mean(1) > _LIMITS.min_base_tensors
    found = [(float(shares[at].mean()), candidates[int(at)]) for at in np.flatnonzero(is_base)]
    return [row for _, row in sorted(found, reverse=True)[: _LIMITS.max_bases]]


def _explain_from_base(
    vectors: Vectors, child: int, candidates: Sequence[int], base: int, tolerance: Doubles
) -> Merge | None:
    """Return the merge from one base that explains most changed elements, or None.

    Two or three of the likeliest parents come first, then any further one, one at a time.
    """
    origin = vectors.flat[base].astype(np.float64)
    task_vector = vectors.flat[child] - origin
    changed = np.flatnonzero(np.abs(task_vector) > tolerance)
    searched = changed[:: max(1, len(changed) // _LIMITS.search_elements)]
    target, errors = task_vector[searched], tolerance[searched]
    peaks, deltas = dict[int, list[tuple[float, float]]](), dict[int, Doubles]()
    for row in candidates:
        if row != base:
            delta = vectors.flat[row] - origin
            peaks[row] = _ratio_peaks(task_vector[changed], delta[changed], tolerance[changed])
            deltas[row] = delta[searched]
    best = _best_explanation(_first_merges(base, peaks), None, deltas, target, errors)
    while best is not None and len(best.parents) < _LIMITS.max_parents:
        scale, rows = best.weights[0], best.parents
        wider = [
            best._replace(parents=(*rows, row), weights=(scale,) * (len(rows) + 1)) for row in deltas if row not in rows
        ]
        extended = _best_explanation(wider, best, deltas, target, errors)
        if extended is best:
            break
        best = extended
    if best is None:
        return None
    full = [vectors.flat[row][changed] - origin[changed] for row in best.parents]
    informative, explained = _explained_shares(
        task_vector[changed], full, best.weights[0], best.method, tolerance[changed]
    )
    return best._replace(residual=1 - explained, explained=informative)


def _first_merges(base: int, peaks: Mapping[int, Sequence[tuple[float, float]]]) -> list[Merge]:
    """Return the merges of two or three likely parents at the scales of their peaks."""
    likely = sorted((row for row in peaks if peaks[row]), key=lambda row: -peaks[row][0][1])
    return [
        Merge(rows, (scale,) * len(rows), base, method, 1.0, 0.0)
        for size in (2, 3)
        for rows in combinations(likely[: _LIMITS.max_likely_parents], size)
        for scale in sorted({round(ratio, 3) for row in rows for ratio, _ in peaks[row]})
        for method in ("ties", "dare")
    ]


def _best_explanation(
    merges: Sequence[Merge],
    best: Merge | None,
    deltas: Mapping[int, Doubles],
    task_vector: Doubles,
    tolerance: Doubles,
) -> Merge | None:
    """Return the merge that explains most, with its shares filled in.

    Of merges that explain about as many informative elements, the one that leaves fewest of all is taken. One of more
    parents has to leave clearly fewer.
    """
    for merge in merges:
        parents = [deltas[row] for row in merge.parents]
        informative, explained = _explained_shares(task_vector, parents, merge.weights[0], merge.method, tolerance)
        best_share, remaining = (best.explained, best.residual) if best is not None else (0.0, 1.0)
        is_wider = best is not None and len(merge.parents) > len(best.parents)
        limit = min(_LIMITS.max_remaining * remaining, remaining - _LIMITS.min_gain) if is_wider else remaining
        if informative > best_share + _LIMITS.share_tolerance or (
            informative > best_share - _LIMITS.share_tolerance and 1 - explained < limit
        ):
            best = merge._replace(explained=informative, residual=1 - explained)
    return best


def _ratio_peaks(task_vector: Doubles, delta: Doubles, tolerance: Doubles) -> list[tuple[float, float]]:
    """Return the peaks of a histogram of log ratios, which are possible scales.

    The highest need not be the scale: where parents are related, most elements mix several of them.

    Args:
        task_vector: The child's task vector at changed elements, shape (elements,).
        delta: A parent's, shape (elements,).
        tolerance: Largest rounding error of the child, shape (elements,).

    Returns:
        Ratio and share of elements by which its peak exceeds its surroundings, the highest peak first.
    """
    usable = (np.abs(delta) > _LIMITS.min_delta * tolerance) & (task_vector * delta > 0)
    if usable.sum() < _LIMITS.min_elements:
        return []
    bound = _LIMITS.max_log_ratio
    logs = np.log(task_vector[usable] / delta[usable])
    logs = logs[np.abs(logs) < bound]
    error = float(np.median(tolerance[usable] / np.abs(delta[usable])))
    return log_ratio_peaks(logs, error, _LIMITS, _LIMITS.max_peaks)


def log_ratio_peaks(
    logs: Doubles, error: float, limits: TiesDareParameters | ElementParameters, most: int
) -> list[tuple[float, float]]:
    """Return the peaks of a histogram of log ratios.

    Args:
        logs: Log ratios within `limits.max_log_ratio`, shape (elements,).
        error: Median rounding error of a log ratio.
        limits: Bound, least width of a bin, and least excess of a peak.
        most: Peaks at most.

    Returns:
        Ratio and share of elements by which its peak exceeds its surroundings, the highest peak first.
    """
    bound, width = limits.max_log_ratio, max(limits.min_bin_width, 2 * error)
    counts, edges = np.histogram(logs, bins=max(8, int(2 * bound / width)), range=(-bound, bound))
    pairs = counts[:-1] + counts[1:]
    peaks = []
    for _ in range(most):
        top = int(np.argmax(pairs))
        excess = float(pairs[top] - np.median(pairs[max(0, top - 12) : top + 13]))
        if excess <= max(limits.min_peak_share * len(logs), limits.min_peak_elements):
            break
        inside = logs[(logs >= edges[top]) & (logs <= edges[top + 2])]
        peaks.append((float(np.exp(np.median(inside))), excess / len(logs)))
        pairs[max(0, top - 1) : top + 2] = 0
    return peaks


def _explained_shares(
    task_vector: Doubles, deltas: Sequence[Doubles], scale: float, method: str, tolerance: Doubles
) -> tuple[float, float]:
    """Return the shares of elements that equal a scaled sum (DARE) or mean (TIES) of some task vectors.

    An element is informative where the tolerances of all sums cover little of its size, so that chance seldom matches.

    Args:
        task_vector: The child's task vector, shape (elements,).
        deltas: The parents' task vectors, shape (elements,) each.
        scale: Factor of the sum or mean.
        method: ties or dare.
        tolerance: Largest rounding error of the child, shape (elements,).

    Returns:
        Share of informative elements, 0 where hardly any needs several parents; and share of all elements.
    """
    explained, mixed = np.zeros((2, len(task_vector)), bool)
    covered = np.zeros(len(task_vector))
    for size in range(1, len(deltas) + 1):
        for part in combinations(deltas, size):
            total = np.sum(part, 0) * scale / (size if method == "ties" else 1)
            width = _LIMITS.rounding_factor * tolerance + _LIMITS.relative_tolerance * np.abs(total)
            match = np.abs(task_vector - total) <= width
            mixed |= match & ~explained
            explained |= match
            if size == 1:
                mixed[:] = False
            covered += width
    informative = covered < _LIMITS.max_chance * (np.abs(task_vector) + 1e-12)
    if informative.sum() <= _LIMITS.min_elements or float(mixed[informative].mean()) < _LIMITS.min_mixed_share:
        return 0.0, 0.0
    return float(explained[informative].mean()), float(explained.mean())
