"""Low-rank training: the rank of the difference of two models counts the steps between them.

A merged LoRA update leaves a difference of one rank in all the matrices that it changed; two of them leave the sum. So
of the models from which another differs by a low rank its parent is among those of the least: paper 002, equation 2,
takes this rank as its distance. Here it is that of the sampled blocks, above what rounding alone would leave; where a
tensor was sampled at several runs of columns each of them adds its own, so ranks are compared, not read.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Floats
from ingest.weights.formats.open_model import RUN_LENGTH
from ingest.weights.samples.aligned_samples import Vectors, rounding_error

ROWS = 16
"""Rows that a block needs for its rank to say something."""
TENSORS = 12
"""Tensors that are looked at."""
LOW, ALIKE = 0.75, 0.8
"""Share of a block's sides below which a rank is low, and of the blocks that must have it."""
_EDGE = 1.2


def difference_rank(vectors: Vectors, row: int, other: int) -> float:
    """Return the rank of the difference of two models, NaN where it is not low or not the same all over."""
    if vectors.sizes.max(initial=0) < ROWS:
        return np.nan
    difference = vectors.values[row] - vectors.values[other]
    noise = np.square(_rounding_error(vectors, row)) + np.square(_rounding_error(vectors, other))
    moved = np.logical_or.reduceat((np.square(difference) > 4 * noise).any(1), vectors.starts)
    changed = [bound for bound, has in zip(vectors.bounds, moved, strict=True) if has and bound[1] - bound[0] >= ROWS]
    ranks, full_ranks = [], []
    for at in np.unique(np.linspace(0, len(changed) - 1, min(TENSORS, len(changed))).astype(int)):
        start, stop, _ = changed[at]
        block = difference[start:stop].astype(np.float64)
        squares = np.linalg.eigvalsh(block.T @ block)
        # The largest singular value of noise alone (Marchenko & Pastur 1967).
        edge = float(noise[start:stop].mean()) / 3 * (np.sqrt(stop - start) + np.sqrt(RUN_LENGTH)) ** 2 * _EDGE**2
        ranks.append(int((squares > max(edge, 1e-9 * squares[-1])).sum()))
        full_ranks.append(min(stop - start, RUN_LENGTH))
    if not ranks:
        return np.nan
    median = float(np.median(ranks))
    agreeing = np.abs(np.array(ranks) - median) <= 1
    return median if 0 < median < LOW * np.mean(full_ranks) and agreeing.mean() >= ALIKE else np.nan


def _rounding_error(vectors: Vectors, model: int) -> Floats:
    return rounding_error(vectors, vectors.values[model], model)
