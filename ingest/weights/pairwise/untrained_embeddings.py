"""Untrained embedding rows: rows of tokens that are absent from the training data only shrink by weight decay.

Where the embedding is not tied to the output matrix, a token that is not in the data gets no gradient (under-trained
tokens: Land & Bartolo, arXiv 2405.05417). So a child has its parent's rows of all such tokens, up to one factor. It
shares fewer rows with a further ancestor: only those that no training in between changed. It shares fewer rows with a
sibling: only those that the sibling's training did not change either. Row y is untrained with respect to row x where

    min_f ‖y - f·x‖² / ‖y‖² ≤ s · (ε² + δ²),   f in [f_min, f_max]

ε is the relative rounding error of the child's type, δ that of the arithmetic of weight decay.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Bytes, Doubles, Floats
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors, in_vocabulary


def untrained_rows(vectors: Vectors) -> Bytes:
    """Return which embedding rows of each model are a multiple of each other model's row, as packed bits.

    A child starts from exactly the values that its parent is stored in. So only the rounding of the child's own type
    counts, and a cast of the parent does not have these rows.

    Args:
        vectors: The family of n models, p of whose positions lie in the vocabulary.

    Returns:
        Shape (n, n, ⌈p/8⌉), children first. p is 0 where no embedding was sampled.
    """
    rows = np.flatnonzero(in_vocabulary(vectors.tensor, vectors.names))
    values, count = np.ascontiguousarray(vectors.values[:, rows]), len(vectors.values)
    lengths = np.maximum(np.square(values).sum(2), 1e-30)
    bits = np.zeros((count, count, -(-len(rows) // 8)), np.uint8)
    for row in range(count if len(rows) else 0):
        noise = float(np.square(vectors.relative_error[row, rows], dtype=np.float64).mean()) / 3
        bound = PAIRWISE.max_row_deviation * (noise + PAIRWISE.untrained_rounding**2)
        bits[row] = np.packbits(_scaled_deviation(values, lengths, row) <= bound, axis=1)
    return bits


def lead_in_deviations(bits: Bytes) -> Doubles:
    """Return by how many standard deviations a child shares more untrained rows with one model than with another.

    McNemar's test (1947): z_ij = (n_i - n_j) / √(n_i + n_j), with n_i the rows shared with i but not with j.

    Args:
        bits: The child's row of `untrained_rows` for k candidates, shape (k, ⌈p/8⌉).

    Returns:
        Shape (k, k), antisymmetric.
    """
    same = np.unpackbits(bits, axis=1).astype(np.float32)
    counts, both = same.sum(1), same @ same.T
    discordant = counts[:, None] + counts - 2 * both
    return np.asarray((counts[:, None] - counts) / np.sqrt(np.maximum(discordant, 1)), np.float64)


def _scaled_deviation(values: Floats, lengths: Floats, row: int) -> Floats:
    """Return the squared distance of a model's rows from the nearest multiple of each model's rows, over their length.

    Args:
        values: Rows of all models, shape (n, p, 32).
        lengths: Their squared lengths, shape (n, p).
        row: The model.

    Returns:
        Shape (n, p); infinite where the factor is beyond what weight decay does.
    """
    factors = np.einsum("npe,pe->np", values, values[row]) / lengths
    deviation = np.square(values[row] - factors[..., None] * values).sum(2) / lengths[row]
    deviation[(factors < PAIRWISE.min_decay_factor) | (factors > PAIRWISE.max_decay_factor)] = np.inf
    return np.asarray(deviation)
