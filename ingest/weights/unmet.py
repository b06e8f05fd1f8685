"""Rows of words that training never met: they come out of it as they went in, but for weight decay, which scales them.

Where a table of embeddings is not the output's, too, a word that is not in the data gets no gradient. So a child has
its parent's rows of all such words up to one factor, below one; of what lies further off it has those alone that no
training in between met, and of a sibling those alone that the sibling's did not meet either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.weights.family import Doubles, Integers, Vectors
from ingest.weights.names import is_vocabulary
from ingest.weights.safetensors import Floats

FLOOR = 2.0**-16
"""Relative deviation that the arithmetic of training makes, as each step of weight decay is rounded."""
SLACK = 2.0
"""Squared deviation over what rounding makes, up to which a row is only scaled: 32 elements stay well below it."""
LEAST, MOST = 0.5, 2.0
"""Factors that weight decay may scale a row by, seen from either end."""


class Unmet(NamedTuple):
    """What the models of a family have of each other's rows of words.

    Attributes:
        level: How coarse the type is that each model's are stored in, of k types, shape (n,).
        scaled: Whether each sampled row is another model's but for a factor, if the other's type were as coarse, in
            bits, shape (k, n, n, ⌈p/8⌉), the models whose rows they are first.
    """

    level: Integers
    scaled: npt.NDArray[np.uint8]

    def ahead(self, row: int, others: Sequence[int]) -> Doubles:
        """Return how surely a model has more rows of each of some others than of each, shape (others, others).

        In standard deviations (McNemar 1947): rows that it has of the one alone, against those of the other alone. Both
        are held to what the coarser of their types allows.
        """
        rows, out = np.array(others), np.zeros((len(others), len(others)))
        coarser = np.maximum(self.level[rows][:, None], self.level[rows])
        for level in np.unique(self.level[rows]):
            same = np.unpackbits(self.scaled[level, row, rows], axis=1).astype(np.float32)
            counts, both = same.sum(1), same @ same.T
            apart = counts[:, None] + counts - 2 * both
            there = coarser == level
            out[there] = ((counts[:, None] - counts) / np.sqrt(np.maximum(apart, 1)))[there]
        return out


def unmet(vectors: Vectors) -> Unmet | None:
    """Compare the rows of words of all models; None where none were sampled."""
    words = np.flatnonzero(np.array([is_vocabulary(name) for name in vectors.names])[vectors.tensor])
    if not len(words):
        return None
    values, count = np.ascontiguousarray(vectors.values[:, words]), len(vectors.values)
    noise = np.square(vectors.relative[:, words], dtype=np.float64).mean(1) / 3
    levels, level = np.unique(noise, return_inverse=True)
    lengths = np.maximum(np.square(values).sum(2), 1e-30)
    scaled = np.empty((len(levels), count, count, -(-len(words) // 8)), np.uint8)
    for row in range(count):
        left = _unlike(values, lengths, row)
        for each, coarse in enumerate(levels):
            scaled[each, row] = np.packbits(left <= SLACK * (noise[row] + coarse + FLOOR**2), axis=1)
    return Unmet(level, scaled)


def _unlike(values: Floats, lengths: Floats, row: int) -> Floats:
    """Return how far each row of a model is from any multiple of each other's, over its length, squared."""
    factors = np.einsum("npe,pe->np", values, values[row]) / lengths
    left = np.square(values[row] - factors[..., None] * values).sum(2) / lengths[row]
    left[(factors < LEAST) | (factors > MOST)] = np.inf
    return np.asarray(left)
