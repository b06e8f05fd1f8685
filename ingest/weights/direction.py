"""Which of two related models came first, by their weights alone and without knowing the stage of training.

Training adds noise that is orthogonal to the weights it starts from, not to those it ends at. In the small singular
values of a model's own matrices, where neither drift nor growth of the large ones disturbs, a parent is therefore
contained in its child with a factor near one, while the child is contained in its parent with less. Weight decay
shrinks all by one factor and is told apart by the sign. On generated families this is right for 95–99 % of the edges
of Adam, AdamW, Lion and SGD, and for 71 % under thirty times the usual decay (`benchmarks/zoo`), where kurtosis falls
along 70 %.
"""

from __future__ import annotations

import numpy as np

from ingest.weights.between import cut_small
from ingest.weights.family import Doubles, Vectors


def directions(vectors: Vectors, squared: Doubles, weights: tuple[float, ...]) -> Doubles:
    """Return log-odds that each model came before each other, shape (n, n); entry (i, j) is minus entry (j, i).

    Args:
        vectors: The family.
        squared: Squared distances, shape (n, n).
        weights: Of the five measurements of `asymmetry`.
    """
    measured = asymmetry(vectors, squared) @ np.array(weights)
    odds = measured - measured.T
    odds[squared <= 0] = 0.0
    return np.asarray(odds)


def asymmetry(vectors: Vectors, squared: Doubles) -> Doubles:
    """Measure every model as the parent of every other.

    Returns:
        Shape (n, n, 5), parents first: by how much the child's share of the parent's tail differs from one, over their
        squared relative distance, without and with sign; that it differs by less than a third of it; growth of the
        weights' length over the distance, and its sign.
    """
    flat = vectors.flat
    tails = np.stack([cut_small(vectors, values).reshape(-1) for values in vectors.values])
    lengths = np.square(flat).sum(1, dtype=np.float64)
    energy = np.square(tails).sum(1, dtype=np.float64)
    shared = np.asarray(tails @ flat.T, np.float64)
    away = np.maximum(squared, 1e-30)
    slope = (shared / np.maximum(energy, 1e-30)[:, None] - 1) * lengths[:, None] / away
    growth = (lengths[None] - lengths[:, None]) / away
    return np.stack(
        (
            np.clip(np.abs(slope), 0, 3), np.clip(slope, -3, 3), (np.abs(slope) < 1 / 3).astype(float),
            np.clip(growth, -3, 3), np.sign(growth),
        ),
        -1,
    )  # fmt: skip
