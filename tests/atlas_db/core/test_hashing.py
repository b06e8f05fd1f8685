"""Hashes are equal on every machine: a sample that is taken here is compared with one that was taken elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from atlas_db.core.hashing import mix64, name_hash


@pytest.mark.parametrize(
    ("name", "expected"),
    [("", 0xB4B2797457A0A6E4), ("model.embed_tokens.weight", 0xF64261A496B5D16A), ("ünï/cødé", 0x5EBE3FEE4F37D9)],
)
def test_a_name_has_the_hash_it_always_had(name: str, expected: int) -> None:
    assert name_hash(name) == expected


def test_the_finalizer_is_that_of_splitmix64() -> None:
    """First outputs of SplitMix64 with seed 1234567, as its authors' code gives them."""
    gamma, seed = 0x9E3779B97F4A7C15, 1234567
    states = np.array([(seed + gamma * (at + 1)) % 2**64 for at in range(3)], np.uint64)
    assert mix64(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_the_finalizer_is_one_to_one() -> None:
    assert len(np.unique(mix64(np.arange(100_000, dtype=np.uint64)))) == 100_000
