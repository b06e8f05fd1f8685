"""Rows of words that training never met: they come out of it as they went in, but for weight decay, which scales them.

Where a table of embeddings is not the output's, too, a word that is not in the data gets no gradient. So a child has
its parent's rows of all such words up to one factor, below one; of what lies further off it has those alone that no
training in between met, and of a sibling those alone that the sibling's did not meet either.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Bytes, Doubles, Floats
from ingest.weights.samples.aligned_samples import Vectors, in_vocabulary

FLOOR = 2.0**-16
"""Relative deviation that the arithmetic of training makes, as each step of weight decay is rounded."""
SLACK = 2.0
"""Squared deviation over what rounding makes, up to which a row is only scaled: 32 elements stay well below it."""
LEAST, MOST = 0.5, 2.0
"""Factors that weight decay may scale a row by, seen from either end."""


def untrained_rows(vectors: Vectors) -> Bytes:
    """Tell which rows of words models have of each other, but for a factor.

    A child was trained from the very values that its parent is stored in: only its own type hides whether a row was
    scaled alone, and a cast of its parent has no such row.

    Returns:
        Whether each sampled row is another model's but for a factor, as far as its own type tells, in bits, shape
        (n, n, ⌈p/8⌉), the models whose rows they are first; p is 0 where no words were sampled.
    """
    rows = np.flatnonzero(in_vocabulary(vectors.tensor, vectors.names))
    values, count = np.ascontiguousarray(vectors.values[:, rows]), len(vectors.values)
    lengths = np.maximum(np.square(values).sum(2), 1e-30)
    bits = np.zeros((count, count, -(-len(rows) // 8)), np.uint8)
    for row in range(count if len(rows) else 0):
        noise = float(np.square(vectors.relative_error[row, rows], dtype=np.float64).mean()) / 3
        bits[row] = np.packbits(_scaled_deviation(values, lengths, row) <= SLACK * (noise + FLOOR**2), axis=1)
    return bits


def lead_in_deviations(bits: Bytes) -> Doubles:
    """Return how surely a model has more rows of each of some others than of each, shape (others, others).

    In standard deviations (McNemar 1947): rows that it has of the one alone, against those of the other alone.

    Args:
        bits: What `unmet` told of it and them, shape (others, ⌈p/8⌉).
    """
    same = np.unpackbits(bits, axis=1).astype(np.float32)
    counts, both = same.sum(1), same @ same.T
    discordant = counts[:, None] + counts - 2 * both
    return np.asarray((counts[:, None] - counts) / np.sqrt(np.maximum(discordant, 1)), np.float64)


def _scaled_deviation(values: Floats, lengths: Floats, row: int) -> Floats:
    """Return how far each row of a model is from any multiple of each other's, over its length, squared."""
    factors = np.einsum("npe,pe->np", values, values[row]) / lengths
    left = np.square(values[row] - factors[..., None] * values).sum(2) / lengths[row]
    left[(factors < LEAST) | (factors > MOST)] = np.inf
    return np.asarray(left)
