"""Which of two related models came first, by their weights alone and without knowing the stage of training.

Training adds noise that is orthogonal to the weights it starts from, not to those it ends at. In the small singular
values of a model's own matrices, where neither drift nor growth of the large ones disturbs, a parent is therefore
contained in its child with a factor near one, while the child is contained in its parent with less. Weight decay
shrinks all by one factor and is told apart by the sign. Each tensor is asked by itself, too: what is true of most of
them counts more than what one large difference says. On families that this was not fitted on (`benchmarks/zoo`, seeds
470 to 487) it is right for 98 % of the edges of Adam, AdamW and Lion, 92 % of SGD's, and 90 % under thirty times the
usual decay, where kurtosis falls along 70 %.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.pairwise.residual_containment import truncate_large_singular_values
from ingest.weights.samples.aligned_samples import Vectors

MOST = 4.5
"""Log-odds of one coming before another, at most: of those beyond, 1 % are wrong, however far (seeds 444 to 487)."""


def precedence_by_weights(vectors: Vectors, sq_distance: Doubles, weights: tuple[float, ...]) -> Doubles:
    """Return log-odds that each model came before each other, shape (n, n); entry (i, j) is minus entry (j, i).

    Args:
        vectors: The family.
        sq_distance: Squared distances, shape (n, n).
        weights: Of the five measurements of `asymmetry`.
    """
    measured = precedence_features(vectors, sq_distance) @ np.array(weights)
    log_odds = measured - measured.T
    log_odds[sq_distance <= 0] = 0.0
    return np.asarray(np.clip(log_odds, -MOST, MOST))


def precedence_features(vectors: Vectors, sq_distance: Doubles) -> Doubles:
    """Measure every model as the parent of every other.

    By how much a child's share of its parent's tail differs from one, over their squared relative distance, is asked of
    all tensors together and of each that differs.

    Returns:
        Shape (n, n, 5), parents first: that it is less than a third in all together; of the single tensors its mean
        size, its mean with the sign, and its standard deviation; and in how many more tensors the weights grew than
        shrank from parent to child, as a share.
    """
    count = len(vectors.values)
    residuals = np.stack([truncate_large_singular_values(vectors, values) for values in vectors.values])
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
        slope = np.clip(projection / tensor_energy[:, None] * scale, -3, 3) * (growth != 0)
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
    near = np.abs(deviation / energy[:, None] * scale) < 1 / 3
    return np.stack((near, sizes, signed, np.sqrt(np.maximum(squares - signed**2, 0)), grown), -1)
