"""Does one model lie on the way from a second to a third? The question that tells a parent from a sibling.

Training leaves two things in weights: a drift that any run on like data shares, and noise of its own. The drift lies
in the large singular values of the difference of two models, the noise in the small ones. A descendant carries all of
its ancestor's noise; a sibling, however near, carries none. So the difference s - p is cut down, tensor by tensor, to
its small singular values, and the share of it that c - p contains is near 1 where s lies between p and c, and near 0
where s and c only drifted alike. Drift that gets there nonetheless, and weight decay, which moves alike what was never
trained on, give shares that differ from tensor to tensor; a descendant's is near 1 in each.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats
from ingest.weights.formats.open_model import RUN_LENGTH
from ingest.weights.formats.tensor_names import PART_PATTERNS
from ingest.weights.samples.aligned_samples import Vectors

LOW_RANK = -0.7
"""Logarithm of the standard error above which a trace is of low rank."""
LEAST = 1e-6
"""Squared distance at a position, over those of both ends of a trace, below which rounding hides it; and the part of a
trace below which it left no mark in a tensor."""
(
    SHARE,
    FULL_SHARE,
    LOG_DISTANCE_RATIO,
    LOG_STANDARD_ERROR,
    WEIGHTED_SPREAD,
    PLAIN_SPREAD,
    UNWEIGHTED_SHARE,
    UNWEIGHTED_LOG_ERROR,
) = range(8)
"""What `contained` measures first; the share in each part of the network follows."""
MEASUREMENTS = UNWEIGHTED_LOG_ERROR + 1 + len(PART_PATTERNS)
"""Measurements in all."""
SHARES = -1.0, 3.0
"""Shares of a trace in one tensor beyond these count as these: where little is left of it, rounding makes any."""
PARENT_MEASUREMENTS = 6
"""Measurements that parents are chosen by; the rest is for `steps.carried_at_once`."""


class ResidualVector(NamedTuple):
    """What a model left in the weights since another, without the drift.

    Attributes:
        near: Row of the model.
        base: Row of the other.
        vector: The part of near - base in its small singular values, shape (p · 32,).
        energy: Its squared length.
        full: The whole difference.
        length: Squared length of that.
    """

    child: int
    parent: int
    small: Floats
    energy: float
    full: Floats
    length: float


def small_singular_residual(vectors: Vectors, model: int, base: int) -> ResidualVector:
    """Return the trace that one model left since another."""
    difference = vectors.values[model] - vectors.values[base]
    residual, full = truncate_large_singular_values(vectors, difference).reshape(-1), difference.reshape(-1)
    return ResidualVector(model, base, residual, float(residual @ residual), full, float(full @ full))


def truncate_large_singular_values(vectors: Vectors, values: Floats) -> Floats:
    """Return values of shape (p, 32) without the upper half of each tensor's singular values."""
    kept = np.zeros_like(values)
    by_rows: dict[int, list[int]] = defaultdict(list)
    for start, stop, _ in vectors.bounds:
        by_rows[stop - start].append(start)
    for rows, starts in by_rows.items():
        at = np.array(starts)[:, None] + np.arange(rows)
        kept[at] = _truncate_blocks(values[at])
    return kept


def _truncate_blocks(blocks: Floats) -> Floats:
    """Return blocks of shape (b, rows, 32) without the upper half of their singular values."""
    wide = blocks.shape[1] < blocks.shape[2]
    tall = np.swapaxes(blocks, 1, 2) if wide else blocks
    _, vectors = np.linalg.eigh(np.swapaxes(tall, 1, 2) @ tall)
    small = vectors[:, :, : max(1, vectors.shape[2] // 2)]
    truncated = (tall @ small) @ np.swapaxes(small, 1, 2)
    return np.swapaxes(truncated, 1, 2) if wide else truncated


def containment(vectors: Vectors, residual: ResidualVector, children: list[int] | slice) -> Doubles:
    """Return how much of a trace each child carries.

    A child's own training hides the trace, more in some places than in others: by generalised least squares (Aitken
    1936) each position counts as much as the child is near there, to both ends of the trace.

    Returns:
        Shape (children, HELD): share of the trace; share of the whole difference; logarithm of the child's distance
        from near over the length of the difference; logarithm of the share's standard error; how far from one the share
        is in each tensor, 1 at most, its mean by what each counts, and by all alike (of a trace of low rank, the share
        of the whole difference); the share with all positions counted alike; logarithm of its standard error; the mean
        share in the tensors of each part of the network (`names.PARTS`), 1 where the trace has none.
    """
    moved = vectors.values[children] - vectors.values[residual.parent]
    references = np.stack((residual.small, residual.full)).reshape(2, -1, RUN_LENGTH)
    along = np.ascontiguousarray((moved.transpose(1, 0, 2) @ references.transpose(1, 2, 0)).transpose(2, 1, 0))
    energies = np.square(references).sum(2)
    length = energies[1]
    from_base = np.einsum("npe,npe->np", moved, moved)
    from_model = np.maximum(from_base - 2 * along[1] + length, LEAST * (from_base + length))
    from_base = np.maximum(from_base, LEAST * length)
    weights = 1 / (np.sqrt(np.maximum(from_model, 1e-30)) * np.sqrt(np.maximum(from_base, 1e-30)))
    projections = np.add.reduceat(along * weights, vectors.starts, 2)
    expected = np.add.reduceat(weights * energies[:, None], vectors.starts, 2)
    share, full_share = (projections.sum(2) / np.maximum(expected.sum(2), 1e-30)).astype(np.float64)
    rest = from_model.sum(1, dtype=np.float64)
    ratio = 0.5 * np.log(np.maximum(rest, 1e-12 * residual.length) / max(residual.length, 1e-30))
    error = 0.5 * np.log(1 / np.maximum(RUN_LENGTH * expected[0].sum(1, dtype=np.float64), 1e-30) + 1e-8)
    tensor_energy = np.add.reduceat(energies, vectors.starts, 1)
    low, marked = (error > LOW_RANK)[:, None], tensor_energy > LEAST * tensor_energy.sum(1)[:, None]
    by_tensor = [np.where(low, whole, part) for part, whole in (projections, expected, marked)]
    unweighted = along[0].sum(1, dtype=np.float64) / max(residual.energy, 1e-30)
    unweighted_error = 0.5 * np.log(np.maximum(rest, 1e-30) / moved[0].size / max(residual.energy, 1e-30) + 1e-8)
    spread, by_part = _spread(*by_tensor), _part_shares(vectors, *by_tensor)
    return np.column_stack((share, full_share, ratio, error, *spread, unweighted, unweighted_error, by_part))


def _spread(projections: Floats, expected: Floats, marked: Flags) -> Doubles:
    """Return how far from one the shares in the tensors are, by what each counts and by all alike, shape (2, children).

    Args:
        projections: What each child carries of a trace in each tensor, shape (children, t).
        expected: What it would carry of the whole trace, shape (children, t).
        marked: Whether there is anything of the trace in each tensor, shape (children, t).
    """
    expected = np.maximum(expected, 1e-30)
    off = np.minimum(np.abs(projections / expected - 1), 1.0)
    weights = np.stack((expected * marked, marked))
    return np.asarray((off * weights).sum(2) / np.maximum(weights.sum(2), 1e-30), np.float64)


def _part_shares(vectors: Vectors, projections: Floats, expected: Floats, marked: Flags) -> Doubles:
    """Return the mean share in the tensors of each part of the network, shape (children, parts).

    Arguments are those of `_apart`.
    """
    shares = np.clip(projections / np.maximum(expected, 1e-30), *SHARES) - 1
    belongs = vectors.parts.astype(np.float64)
    return np.asarray(1 + (shares * marked) @ belongs / np.maximum(marked @ belongs, 1), np.float64)


def containment_features(measured: Doubles) -> Doubles:
    """Return the first six that `contained` measured as inputs of a logistic model, shape (children, 21).

    A trace of low rank has nothing in its small singular values; there the share of the whole stands for it.
    """
    share, full_share, ratio, error, weighted_spread, plain_spread = measured[:, :PARENT_MEASUREMENTS].T
    low = (error > LOW_RANK).astype(float)
    share = np.where(low > 0, full_share, share)
    share, full_share, ratio = np.clip(share, -1.5, 4), np.clip(full_share, -1.5, 4), np.clip(ratio, -5, 4)
    gap = np.abs(share - full_share)
    return np.stack(
        (
            share, full_share, share**2, full_share**2, share * full_share, np.abs(share - 1), np.abs(full_share - 1),
            gap, ratio, ratio * share, ratio * np.abs(share - 1), np.minimum(share, 1), np.minimum(full_share, 1),
            ratio * np.minimum(share, 1), gap * ratio, low, low * np.minimum(np.abs(full_share - 1), 1),
            low * (np.abs(full_share - 1) < 0.15), weighted_spread, plain_spread, weighted_spread * plain_spread,
        ),
        1,
    )  # fmt: skip
