"""Sampled positions of a model, the same in every model that has a tensor of that name and width.

A position is a row and a run of 32 columns, which is a block of the usual quantized formats. Rows are taken in the
order of a hash of tensor name and row index (bottom-k sampling, Cohen & Kaplan 2007). So a vocabulary that grew by a
few rows, or a larger sample, keeps nearly all positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Integers, Keys
from atlas_db.core.hashing import mix64, name_hash
from ingest.formats.matrix import RUN_LENGTH, Matrix
from ingest.formats.tensor_names import is_in_block, is_vocabulary

ROWS_AT_ONCE = 2**20
"""Rows whose hashes are computed at once."""


class Positions(NamedTuple):
    """Positions in one tensor.

    Attributes:
        rows: Row of each position, shape (n,).
        columns: First column of each position, shape (n,).
        keys: Id of each position, equal in every model that has it, shape (n,).
    """

    rows: Integers
    columns: Integers
    keys: Keys


def hashed_row_order(name: str, rows: int, wanted: int) -> Integers:
    """Return the first rows of a tensor in the order of their hashes, shape (min(rows, wanted),)."""
    first, hashes = np.empty(0, np.int64), np.empty(0, np.uint64)
    # In blocks, so that the memory does not grow with a number of rows that a file may state for nothing.
    for start in range(0, rows, ROWS_AT_ONCE):
        block = np.arange(start, min(start + ROWS_AT_ONCE, rows))
        first, hashes = np.append(first, block), np.append(hashes, _row_hashes(name, block))
        if wanted < len(first):
            least = np.argpartition(hashes, wanted - 1)[:wanted]
            first, hashes = first[least], hashes[least]
    return first[np.argsort(hashes)]


def _row_hashes(name: str, rows: Integers) -> Keys:
    with np.errstate(over="ignore"):
        seeded = (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(name_hash(name))
    return mix64(seeded)


def allocate_positions(names: Iterable[str], positions: int) -> dict[str, int]:
    """Return the number of positions of each tensor: equal numbers, the remainder to those whose names hash lowest."""
    ordered = sorted(names, key=lambda name: (name_hash(name), name))
    if not ordered:
        return {}
    each, rest = divmod(positions, len(ordered))
    return {name: each + (place < rest) for place, name in enumerate(ordered) if each or place < rest}


def sample_positions(matrix: Matrix, wanted: int) -> Positions:
    """Return positions in a matrix: one in each row first, then a second one in each, until there are no more.

    All rows share their columns. So the positions of a tensor are blocks of it, and keep its ranks and singular values.

    Args:
        matrix: The matrix.
        wanted: Number of positions, at most.
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
    """Return the matrices that are sampled: those with a run of columns, in the order of names.

    Where a model has numbered blocks, only blocks and vocabulary are sampled. A head is initialised for each task, with
    a row a label, and is no evidence of origin.
    """
    wide = [matrix for _, matrix in sorted(matrices.items()) if not matrix.vector and matrix.columns >= RUN_LENGTH]
    if not any(is_in_block(matrix.name) for matrix in wide):
        return wide
    return [matrix for matrix in wide if is_in_block(matrix.name) or is_vocabulary(matrix.name)]
