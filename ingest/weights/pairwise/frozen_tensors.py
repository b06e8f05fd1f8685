"""Share of tensors that two models have in common: training leaves frozen tensors as they are.

Frozen embeddings and layers keep their values in training, but for rounding to the type that they are stored in. So
does every tensor that a merged low-rank update does not change. A child shares more of these tensors with its parent
than with the parent's ancestors and its own siblings. Only descendants of the child may share as many.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Integers
from ingest.weights.samples.aligned_samples import Vectors, round_to_dtype


def frozen_share(vectors: Vectors) -> Doubles:
    """Return the share of each child's tensors that are equal in each parent.

    Sampled positions are compared, after rounding to the type that the child is stored in.

    Args:
        vectors: The family of n models.

    Returns:
        Shape (n, n), children in rows, parents in columns; 0 on the diagonal.
    """
    count = len(vectors.values)
    shares = np.zeros((count, count))
    kinds = np.array([kind if kind in ("F16", "BF16") else "" for kind in vectors.main_dtype])
    for kind in np.unique(kinds).tolist():
        codes = _tensor_hashes(vectors, kind)
        for row in np.flatnonzero(kinds == kind):
            shares[row] = (codes == codes[row]).mean(1)
    np.fill_diagonal(shares, 0.0)
    return shares


def _tensor_hashes(vectors: Vectors, kind: str) -> Integers:
    """Return a hash of each tensor of each model, rounded to a type, shape (n, t)."""
    return np.array([
        [hash(part[start:stop].tobytes()) for start, stop, _ in vectors.bounds]
        for part in (round_to_dtype(values, kind) for values in vectors.values)
    ])  # fmt: skip
