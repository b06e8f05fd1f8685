"""Seeded hashes that are equal on every machine and in every version."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from atlas_db.core.arrays import Keys


def name_hash(name: str) -> int:
    """Return a 64-bit BLAKE2b hash of a name, equal on every machine."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def mix64(values: Keys) -> Keys:
    """Return the SplitMix64 finalizer of each value (Steele, Lea and Flood 2014), shape of `values`."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
