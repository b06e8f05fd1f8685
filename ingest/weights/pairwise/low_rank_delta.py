"""Rank of the difference of two models: merged low-rank updates add up along a chain of models.

A merged LoRA update (Hu et al., arXiv 2106.09685) of rank r leaves a difference of rank r in all matrices that it
changes. Two of them leave the sum of their ranks. So the parent is among the models with the least rank of the
difference: MoTHer (arXiv 2405.18432, equation 2) takes this rank as its distance.

Ranks are those of the sampled blocks. Singular values count above the edge of the rounding noise (Marchenko & Pastur
1967). A tensor that is sampled at several runs of columns adds the rank of each run. So ranks are compared with each
other; they are not the ranks of the updates.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Floats
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors, rounding_error


def difference_rank(vectors: Vectors, row: int, other: int) -> float:
    """Return the rank of the difference of two models.

    Args:
        vectors: The family.
        row: Row of one model.
        other: Row of the other.

    Returns:
        The median over the changed tensors. NaN where it is not low, or differs between the tensors.
    """
    min_rows = PAIRWISE.min_rank_rows
    if vectors.sizes.max(initial=0) < min_rows:
        return np.nan
    difference = vectors.values[row] - vectors.values[other]
    noise = np.square(_rounding_error(vectors, row)) + np.square(_rounding_error(vectors, other))
    moved = np.logical_or.reduceat((np.square(difference) > 4 * noise).any(1), vectors.starts)
    changed = [
        bound for bound, has in zip(vectors.bounds, moved, strict=True) if has and bound[1] - bound[0] >= min_rows
    ]
    ranks, full_ranks = [], []
    for at in np.unique(np.linspace(0, len(changed) - 1, min(PAIRWISE.max_rank_tensors, len(changed))).astype(int)):
        start, stop, _ = changed[at]
        block = difference[start:stop].astype(np.float64)
        squares = np.linalg.eigvalsh(block.T @ block)
        # Square of the largest singular value of noise alone (Marchenko & Pastur 1967).
        edge = float(noise[start:stop].mean()) / 3 * (np.sqrt(stop - start) + np.sqrt(RUN_LENGTH)) ** 2
        edge *= PAIRWISE.rank_noise_margin**2
        ranks.append(int((squares > max(edge, 1e-9 * squares[-1])).sum()))
        full_ranks.append(min(stop - start, RUN_LENGTH))
    if not ranks:
        return np.nan
    median = float(np.median(ranks))
    agreeing = np.abs(np.array(ranks) - median) <= 1
    is_low = 0 < median < PAIRWISE.max_rank_share * np.mean(full_ranks)
    return median if is_low and agreeing.mean() >= PAIRWISE.min_agreeing_ranks else np.nan


def _rounding_error(vectors: Vectors, model: int) -> Floats:
    return rounding_error(vectors, vectors.values[model], model)
