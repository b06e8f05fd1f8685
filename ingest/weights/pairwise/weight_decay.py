"""Weight decay as a direction: whether one model is another, scaled down by one factor.

Decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101) multiplies all matrices by the same factor below
one. No training multiplies them by the same factor above one. So of two models the one that is scaled down came later.
Let r_i be the part of model i's weights w_i in their small singular values (`residual_containment`), where drift
disturbs least. In each tensor the relative growth from i to j, and its standard error under independent noise, are

    x = ⟨r_i, w_j - w_i⟩ / ‖r_i‖²,   e = ‖n‖ / (√m ‖r_i‖)

with m elements and n the part of w_j - w_i that is orthogonal to w_i. Three things distinguish decay from what else
trainings do to these x:

- It is negative, and more than noise makes it in either order. Seen from a parent, noise gives d = mean x / (‖n‖ /
  ‖w_i‖)² near 0. Seen from a child it gives d near -k, whatever the decay: d_ij + d_ji = -k.
- It is the same in all tensors. Growth by learning differs from tensor to tensor.
- It stands out from the standard errors.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors

_LEAST = 1e-30


def decay_probabilities(vectors: Vectors, residuals: Floats) -> Doubles:
    """Return how likely it is that each model is each other one, scaled down by weight decay.

    Args:
        vectors: The family of n models.
        residuals: Weights of each in their small singular values, shape (n, p, 32).

    Returns:
        Shape (n, n), 0..1: entry (i, j) is the probability that the weights of j are those of i after decay.
    """
    growth, spread, excess, tensors = _relative_growth(vectors, residuals)
    noise = np.maximum(-(growth + growth.T), PAIRWISE.least_noise_shrinkage)
    beyond = -growth / noise - PAIRWISE.min_decay_over_noise
    # Log-likelihood ratio of one factor in all tensors against factors that differ by `growth_variation` of their mean.
    varied = 1 + PAIRWISE.growth_variation**2 * excess
    log_odds = tensors / 2 * (np.log(varied) + spread / varied - spread) - PAIRWISE.min_common_factor_log_odds
    return np.asarray(np.clip(beyond, 0, 1) / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def _relative_growth(vectors: Vectors, residuals: Floats) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return the relative growth of each model to each other one over all tensors, by inverse variance.

    Arguments are those of `decay_probabilities`.

    Returns:
        Each of shape (n, n). The mean growth, in units of the noise d_ij. The variance of the growth over tensors, in
        squared standard errors; it is 1 for one factor in all. The squared mean growth in the same unit. The tensors.
    """
    count = len(residuals)
    weight, mean, square, noise_share, tensors = np.zeros((5, count, count))
    centre = vectors.values.mean(0)
    for start, stop, _ in vectors.bounds:
        values, residual, middle = (
            each[..., start:stop, :].reshape(*each.shape[:-2], -1).astype(np.float64)
            for each in (vectors.values, residuals, centre)
        )
        centred = values - middle
        along_residual, along = residual @ centred.T, values @ centred.T
        along_residual -= np.diag(along_residual)[:, None].copy()
        along -= np.diag(along)[:, None].copy()
        gram = centred @ centred.T
        sq_distance = np.diag(gram)[:, None] + np.diag(gram) - 2 * gram
        energy, norm = (np.maximum(np.square(each).sum(1), _LEAST)[:, None] for each in (residual, values))
        # Rounding hides smaller differences.
        differ = sq_distance > PAIRWISE.least_sq_difference * norm
        noise = np.maximum(sq_distance - along**2 / norm, PAIRWISE.least_sq_difference * norm)
        information = differ * values.shape[1] * energy / noise
        growth = along_residual / energy
        weight += information
        mean += information * growth
        square += information * growth**2
        noise_share += information * noise / norm
        tensors += differ
    weight, noise_share = np.maximum(weight, _LEAST), np.maximum(noise_share, _LEAST)
    excess = mean**2 / weight
    spread = np.maximum(square - excess, 0) / np.maximum(tensors - 1, 1)
    return mean / noise_share, spread, excess / np.maximum(tensors, 1), tensors
