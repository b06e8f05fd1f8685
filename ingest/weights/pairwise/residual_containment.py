"""Containment of a small-singular-value residual: separates a descendant of a model from its sibling.

Training leaves two things in weights. One is drift, which runs on similar data share; it lies in the large singular
values of the difference of two models. The other is noise of that run alone; it lies in the small singular values. A
descendant contains all the noise of its ancestor. A sibling contains none of it, however near it is.

The residual r of a step from p to s is the task vector s - p (Ilharco et al., arXiv 2212.04089). The upper half of each
tensor's singular values is left out of it. A model c contains this share of it, by generalised least squares (Aitken
1936) over positions x:

    share = Σ_x u_x ⟨r_x, c_x - p_x⟩ / Σ_x u_x ‖r_x‖²,   u_x = 1 / (‖c_x - s_x‖ · ‖c_x - p_x‖)

It is near 1 where s lies between p and c, and near 0 where s and c only share drift. Some drift lies in the small
singular values, and weight decay moves untrained weights alike. Such shares differ from tensor to tensor; the share of
a descendant is near 1 in each tensor. The spread over tensors measures this.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats
from ingest.formats.matrix import RUN_LENGTH
from ingest.formats.tensor_names import PART_PATTERNS
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors

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
"""First columns of `containment`; the share in each part of the network follows."""
MEASUREMENTS = UNWEIGHTED_LOG_ERROR + 1 + len(PART_PATTERNS)
"""Columns of `containment`."""
PARENT_MEASUREMENTS = 6
"""First columns, which parents are scored by; the rest is for `joint_containment`."""


class ResidualVector(NamedTuple):
    """Residual of the step from a parent to a child.

    Attributes:
        child: Row of the child.
        parent: Row of the parent.
        small: Child less parent without the upper half of each tensor's singular values, shape (p · 32,).
        energy: Squared length of `small`.
        full: Child less parent, shape (p · 32,).
        length: Squared length of `full`.
    """

    child: int
    parent: int
    small: Floats
    energy: float
    full: Floats
    length: float


def small_singular_residual(vectors: Vectors, child: int, parent: int) -> ResidualVector:
    """Return the small-singular-value residual of the step from a parent to a child.

    Args:
        vectors: The family.
        child: Row of the child.
        parent: Row of the parent.
    """
    difference = vectors.values[child] - vectors.values[parent]
    residual, full = truncate_large_singular_values(vectors, difference).reshape(-1), difference.reshape(-1)
    return ResidualVector(child, parent, residual, float(residual @ residual), full, float(full @ full))


def truncate_large_singular_values(vectors: Vectors, values: Floats) -> Floats:
    """Return values without the upper half of each tensor's singular values.

    Shapes:
        - **values:** (p, 32), the rows of each tensor contiguous.
        - **output:** (p, 32).
    """
    kept = np.zeros_like(values)
    by_rows: dict[int, list[int]] = defaultdict(list)
    for start, stop, _ in vectors.bounds:
        by_rows[stop - start].append(start)
    for rows, starts in by_rows.items():
        at = np.array(starts)[:, None] + np.arange(rows)
        kept[at] = _truncate_blocks(values[at])
    return kept


def _truncate_blocks(blocks: Floats) -> Floats:
    """Return blocks without the upper half of their singular values, by eigenvectors of the Gram matrix.

    Shapes:
        - **blocks:** (b, rows, 32).
        - **output:** (b, rows, 32).
    """
    wide = blocks.shape[1] < blocks.shape[2]
    tall = np.swapaxes(blocks, 1, 2) if wide else blocks
    _, vectors = np.linalg.eigh(np.swapaxes(tall, 1, 2) @ tall)
    small = vectors[:, :, : max(1, vectors.shape[2] // 2)]
    truncated = (tall @ small) @ np.swapaxes(small, 1, 2)
    return np.swapaxes(truncated, 1, 2) if wide else truncated


def containment(vectors: Vectors, residual: ResidualVector, children: list[int] | slice) -> Doubles:
    """Return how much of a residual each model contains.

    A model's own training hides the residual, more at some positions than at others. So each position is weighted by
    the model's nearness to both ends of the step.

    Args:
        vectors: The family.
        residual: Residual of a step.
        children: Rows of the models.

    Returns:
        Shape (children, MEASUREMENTS), with these columns:

        - share of the residual; share of the full difference
        - log of the model's distance from the step's child over the length of the step
        - log standard error of the share
        - spread min(|share - 1|, 1) over the tensors, weighted by information; the same, unweighted
        - share without weights of positions; its log standard error
        - mean share in the tensors of each part (`tensor_names.PART_PATTERNS`), 1 where the residual has none

        A step of low rank has nothing in its small singular values. There, spreads and part shares are those of the
        full difference.
    """
    moved = vectors.values[children] - vectors.values[residual.parent]
    references = np.stack((residual.small, residual.full)).reshape(2, -1, RUN_LENGTH)
    along = np.ascontiguousarray((moved.transpose(1, 0, 2) @ references.transpose(1, 2, 0)).transpose(2, 1, 0))
    energies = np.square(references).sum(2)
    length = energies[1]
    from_parent = np.einsum("npe,npe->np", moved, moved)
    # Rounding hides smaller distances.
    least = PAIRWISE.min_position_distance
    from_child = np.maximum(from_parent - 2 * along[1] + length, least * (from_parent + length))
    from_parent = np.maximum(from_parent, least * length)
    weights = 1 / (np.sqrt(np.maximum(from_child, 1e-30)) * np.sqrt(np.maximum(from_parent, 1e-30)))
    projections = np.add.reduceat(along * weights, vectors.starts, 2)
    expected = np.add.reduceat(weights * energies[:, None], vectors.starts, 2)
    share, full_share = (projections.sum(2) / np.maximum(expected.sum(2), 1e-30)).astype(np.float64)
    remaining = from_child.sum(1, dtype=np.float64)
    ratio = 0.5 * np.log(np.maximum(remaining, 1e-12 * residual.length) / max(residual.length, 1e-30))
    error = 0.5 * np.log(1 / np.maximum(RUN_LENGTH * expected[0].sum(1, dtype=np.float64), 1e-30) + 1e-8)
    tensor_energy = np.add.reduceat(energies, vectors.starts, 1)
    low = (error > PAIRWISE.low_rank_log_error)[:, None]
    marked = tensor_energy > PAIRWISE.min_tensor_energy * tensor_energy.sum(1)[:, None]
    by_tensor = [np.where(low, whole, part) for part, whole in (projections, expected, marked)]
    unweighted = along[0].sum(1, dtype=np.float64) / max(residual.energy, 1e-30)
    unweighted_error = 0.5 * np.log(np.maximum(remaining, 1e-30) / moved[0].size / max(residual.energy, 1e-30) + 1e-8)
    spread, by_part = _spread(*by_tensor), _part_shares(vectors, *by_tensor)
    return np.column_stack((share, full_share, ratio, error, *spread, unweighted, unweighted_error, by_part))


def _spread(projections: Floats, expected: Floats, marked: Flags) -> Doubles:
    """Return the mean of min(|share - 1|, 1) over tensors, weighted by information and unweighted.

    Args:
        projections: Numerator of the share in each tensor, shape (children, t).
        expected: Its denominator, shape (children, t).
        marked: Whether the residual has energy in each tensor, shape (children, t).

    Returns:
        Shape (2, children).
    """
    expected = np.maximum(expected, 1e-30)
    deviation = np.minimum(np.abs(projections / expected - 1), 1.0)
    weights = np.stack((expected * marked, marked))
    return np.asarray((deviation * weights).sum(2) / np.maximum(weights.sum(2), 1e-30), np.float64)


def _part_shares(vectors: Vectors, projections: Floats, expected: Floats, marked: Flags) -> Doubles:
    """Return the mean share in the tensors of each part of the network, shape (children, parts).

    Arguments are those of `_spread`.
    """
    shares = projections / np.maximum(expected, 1e-30)
    shares = np.clip(shares, PAIRWISE.min_tensor_share, PAIRWISE.max_tensor_share) - 1
    belongs = vectors.parts.astype(np.float64)
    return np.asarray(1 + (shares * marked) @ belongs / np.maximum(marked @ belongs, 1), np.float64)


def containment_features(measured: Doubles) -> Doubles:
    """Return features of the logistic model of containment.

    Where the step is of low rank, the share of the full difference takes the place of the share of the residual.

    Args:
        measured: Rows of `containment`, shape (children, MEASUREMENTS).

    Returns:
        Shape (children, 21), columns `scorer.CONTAINMENT_FEATURES`.
    """
    share, full_share, ratio, error, weighted_spread, plain_spread = measured[:, :PARENT_MEASUREMENTS].T
    low = (error > PAIRWISE.low_rank_log_error).astype(float)
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
