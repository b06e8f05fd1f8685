"""Tensors that training left alone: a model's parent has them just as they are, and so has none that is further off.

Frozen embeddings and layers, and all that a merged low-rank update does not reach, come out of training as they went
in, but for the rounding of the type they are stored in. A parent has every such tensor that any model has which does
not itself come from the child.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from ingest.weights.samples.aligned_samples import Vectors


def frozen_share(vectors: Vectors) -> Doubles:
    """Return the share of each model's tensors that every model has just as they are, shape (n, n), children first.

    Sampled positions are compared, after rounding to the type that the child is stored in.
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
        for part in (_round_to(values, kind) for values in vectors.values)
    ])  # fmt: skip


def _round_to(values: Floats, kind: str) -> Floats:
    """Return values as a type keeps them, ties to even; zero has one sign."""
    if kind == "F16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32) + 0.0
    if kind == "BF16":
        bits = np.ascontiguousarray(values).view(np.uint32)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
        return bits.view(np.float32) + np.float32(0.0)
    return values + np.float32(0.0)
