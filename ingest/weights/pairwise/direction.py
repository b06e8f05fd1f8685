"""Log-odds that one of two related models precedes the other, by their weights alone.

Training adds noise that is orthogonal to the weights that it starts from, but not to those that it ends at. So a parent
is contained in its child with a factor near 1, and the child in its parent with a smaller one. The small singular
values of a model's own matrices show this best: neither drift nor growth of the large ones disturbs there. With r_i
the part of model i's weights w_i in their small singular values, the deviation of model j is

    d_ij = (⟨r_i, w_j - w_i⟩ / ‖r_i‖²) · (‖w_i‖² / ‖w_j - w_i‖²)

It is near 0 where i precedes j. It is measured over all tensors, and in each tensor that differs: what holds in most
tensors is better evidence than one large deviation. Where all weights shrink by one factor, that decides instead
(`weight_decay`): there d is far from 0 in both orders.

MoTHer (arXiv 2405.18432) orders models by kurtosis, and has to know the stage of training. This test was measured on
families that it was not fitted on (`benchmarks/zoo`, seeds 470 to 487). It is right for 98 % of the edges of Adam,
AdamW and Lion, 92 % of SGD, 90 % under thirty times the usual weight decay. Kurtosis falls along 70 % of them.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.pairwise.residual_containment import truncate_large_singular_values
from ingest.weights.pairwise.weight_decay import decay_probabilities
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors


def precedence_by_weights(vectors: Vectors, sq_distance: Doubles, weights: tuple[float, ...]) -> Doubles:
    """Return log-odds that each model precedes each other.

    Args:
        vectors: The family of n models.
        sq_distance: Squared distances, shape (n, n).
        weights: Fitted weights of `precedence_features`, shape (5,).

    Returns:
        Shape (n, n), antisymmetric: entry (i, j) is positive where i precedes j. 0 for equal models.
    """
    residuals, bound = small_singular_parts(vectors), PAIRWISE.max_precedence_log_odds
    measured = precedence_features(vectors, sq_distance, residuals) @ np.array(weights)
    decayed = decay_probabilities(vectors, residuals)
    log_odds = (measured - measured.T) * (1 - np.maximum(decayed, decayed.T)) + (decayed - decayed.T) * bound
    log_odds[sq_distance <= 0] = 0.0
    return np.asarray(np.clip(log_odds, -bound, bound))


def small_singular_parts(vectors: Vectors) -> Floats:
    """Return the weights of each model in their small singular values, shape (n, p, 32)."""
    return np.stack([truncate_large_singular_values(vectors, values) for values in vectors.values])


def precedence_features(vectors: Vectors, sq_distance: Doubles, residuals: Floats) -> Doubles:
    """Return features of the deviation d_ij of every pair of models.

    Args:
        vectors: The family of n models.
        sq_distance: Squared distances, shape (n, n).
        residuals: What `small_singular_parts` returns, shape (n, p, 32).

    Returns:
        Shape (n, n, 5), parents first. The columns are those of `scorer.PRECEDENCE_FEATURES`:

        - whether |d| over all tensors is below `PAIRWISE.max_total_slope`
        - mean of |d|, mean of d and standard deviation of d over the single tensors
        - share of tensors whose norm grows from parent to child, less the share of those whose norm shrinks
    """
    count, max_slope = len(vectors.values), PAIRWISE.max_tensor_slope
    centred = vectors.values - vectors.values.mean(0)
    scale = np.square(vectors.flat).sum(1, dtype=np.float64)[:, None] / np.maximum(sq_distance, 1e-30)
    energy = np.zeros(count)
    deviation, sizes, signed, squares, grown, differ = np.zeros((6, count, count))
    for start, stop, _ in vectors.bounds:
        residual, places = residuals[:, start:stop].reshape(count, -1), centred[:, start:stop].reshape(count, -1)
        tensor_energy = np.maximum(np.square(residual).sum(1, dtype=np.float64), 1e-30)
        sq_norm = np.square(vectors.values[:, start:stop]).sum((1, 2), dtype=np.float64)
        growth = np.sign(sq_norm[None] - sq_norm[:, None])
        projection = np.asarray(residual @ places.T, np.float64)
        projection -= np.diag(projection)[:, None]
        slope = np.clip(projection / tensor_energy[:, None] * scale, -max_slope, max_slope) * (growth != 0)
        deviation += projection
        energy += tensor_energy
        for total, part in zip(
            (sizes, signed, squares, grown, differ),
            (np.abs(slope), slope, np.square(slope), growth, growth != 0),
            strict=True,
        ):
            total += part
    differ = np.maximum(differ, 1.0)
    sizes, signed, squares, grown = sizes / differ, signed / differ, squares / differ, grown / differ
    near = np.abs(deviation / energy[:, None] * scale) < PAIRWISE.max_total_slope
    return np.stack((near, sizes, signed, np.sqrt(np.maximum(squares - signed**2, 0)), grown), -1)
