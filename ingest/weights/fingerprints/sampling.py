"""Which elements of a model are looked at: the same for every model that has a tensor of that name and width.

A position is a row and a run of 32 columns. Rows are taken in the order of a hash of tensor name and row number, so
that a vocabulary that grew by a few rows, or a larger sample, keeps nearly all positions (bottom-k sampling, Cohen
and Kaplan 2007). A run of 32 columns is a block of the usual quantized formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Integers, Keys
from atlas_db.core.hashing import mix64, name_hash
from ingest.weights.formats.open_model import RUN_LENGTH, Matrix
from ingest.weights.formats.tensor_names import is_in_block, is_vocabulary

SKETCH = 144
"""Positions of a fingerprint: 4,608 elements."""


DETAIL = 4096
"""Positions read again of finalists: 131,072 elements at most."""


class Positions(NamedTuple):
    """Positions in one tensor.

    Attributes:
        rows: Row of each, shape (n,).
        columns: First column of each, shape (n,).
        keys: Name of each position, equal in every model that has it, shape (n,).
    """

    rows: Integers
    columns: Integers
    keys: Keys


def hashed_row_order(name: str, rows: int, wanted: int) -> Integers:
    """Return the first rows of a tensor in the order of their hashes, shape (min(rows, wanted),)."""
    with np.errstate(over="ignore"):
        seeded = np.arange(1, rows + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(name_hash(name))
    hashes = mix64(seeded)
    if wanted < rows:
        first = np.argpartition(hashes, wanted - 1)[:wanted]
        return first[np.argsort(hashes[first])]
    return np.argsort(hashes)


def allocate_positions(names: Iterable[str], positions: int) -> dict[str, int]:
    """Share positions out among tensors: evenly, the rest to those whose names hash lowest."""
    ordered = sorted(names, key=lambda name: (name_hash(name), name))
    if not ordered:
        return {}
    each, rest = divmod(positions, len(ordered))
    return {name: each + (place < rest) for place, name in enumerate(ordered) if each or place < rest}


def sample_positions(matrix: Matrix, wanted: int) -> Positions:
    """Return positions in a matrix: one a row first, then a second in each, until there are no more.

    All rows share their columns, so that the positions of a tensor are blocks of it and keep its structure (ranks,
    singular values).
    """
    runs = matrix.columns // RUN_LENGTH
    wanted = min(wanted, runs * matrix.rows)
    order = hashed_row_order(matrix.name, matrix.rows, wanted)
    rounds, row_at = np.divmod(np.arange(wanted), len(order))
    rows = order[row_at]
    seed = np.uint64(name_hash(matrix.name))
    run = (seed % np.uint64(2**32) + rounds.astype(np.uint64)) % np.uint64(runs)
    keys = mix64(mix64(rows.astype(np.uint64) ^ seed) + run)
    return Positions(rows, run.astype(np.int64) * RUN_LENGTH, keys)


def sampled_matrices(matrices: Mapping[str, Matrix]) -> list[Matrix]:
    """Return the matrices that positions are taken from: those with a run of columns, in the order of names.

    Only blocks and the vocabulary count, where there are blocks: a head is made anew for each task, with as many rows
    as that has labels, and says nothing of where a model comes from.
    """
    wide = [matrix for _, matrix in sorted(matrices.items()) if not matrix.vector and matrix.columns >= RUN_LENGTH]
    if not any(is_in_block(matrix.name) for matrix in wide):
        return wide
    return [matrix for matrix in wide if is_in_block(matrix.name) or is_vocabulary(matrix.name)]
