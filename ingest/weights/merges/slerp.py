"""SLERP merges: two models combined by other factors in each tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.formats.open_model import RUN
from ingest.weights.merges.linear import LEAST_WEIGHT, is_noise, robust_chi2, sq_distance
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.merges.subset_search import PAIRS
from ingest.weights.samples.aligned_samples import Vectors

CLOSE = 1e-4
"""The same of a fit with factors of its own in each tensor."""


STRAIGHT = 1e-3
"""Angle below which an arc is a line."""


def slerp_pairs(some: Vectors, child: int, others: Sequence[int]) -> list[tuple[int, ...]]:
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


def fit_slerp(
    view: MergeProblem, child: int, pairs: Sequence[tuple[int, ...]], others: Sequence[int], noise: Floats
) -> Merge | None:
    """Try the likeliest pairs: two weights a tensor."""
    best: Merge | None = None
    vectors, near = view.vectors, sorted(others, key=lambda row: float(view.sq_distance[child, row]))
    distance = sq_distance(view, child, near[0])
    scale = 1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18)
    for first, second in pairs:
        shares, rests, told = list[tuple[float, float]](), list[Doubles](), list[Doubles]()
        for start, stop, _ in vectors.bounds:
            pair = vectors.values[[first, second], start:stop].reshape(2, -1).astype(np.float64)
            target = vectors.values[child, start:stop].reshape(-1).astype(np.float64)
            solved, shared = fit_slerp_tensor(pair, target)
            rests.append(target - solved @ pair)
            # What training left alone fits any combination with the one that has it.
            if not np.array_equal(target, pair[0]) and not np.array_equal(target, pair[1]):
                told.append(rests[-1] * scale[start * RUN : stop * RUN])
                shares.append(shared)
        if not shares:
            continue
        left, chi = float(sum(np.square(rest).sum() for rest in rests)), robust_chi2(np.concatenate(told))
        mean, residual = np.mean(shares, 0), (left / distance) ** 0.5
        if min(mean) <= LEAST_WEIGHT or (best is not None and residual >= best.residual):
            continue
        if left < CLOSE * distance or is_noise(view, child, (first, second), near, scale, chi, left):
            turned = sorted(zip((first, second), map(float, mean), strict=True), key=lambda item: -item[1])
            rows, weights = zip(*turned, strict=True)
            best = Merge(rows, weights, None, "slerp", residual, 1.0)
    return best


def fit_slerp_tensor(pair: Doubles, target: Doubles) -> tuple[Doubles, tuple[float, float]]:
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
