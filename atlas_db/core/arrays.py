"""Array types, and lists of lists as flat arrays (compressed sparse rows, CSR)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atlas_db.core.errors import CompletionError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Keys = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]


class CsrLists(NamedTuple):
    """One list of numbers a row, stored end to end as in a CSR matrix.

    Attributes:
        values: All lists end to end, shape (entries,).
        indptr: Position of each list's first value, then the number of entries, shape (rows + 1,).
    """

    values: Integers
    indptr: Integers

    def row(self, row: int) -> Integers:
        """Return the list of one row."""
        return self.values[self.indptr[row] : self.indptr[row + 1]]

    def take(self, rows: Integers) -> CsrLists:
        """Return the lists of the given rows, in that order; row -1 gets an empty list."""
        counts = np.where(rows >= 0, self.counts[rows], 0)
        values = self.values[ranges(self.indptr[:-1][rows], counts)]
        return CsrLists(values, np.concatenate(([0], np.cumsum(counts))))

    @property
    def counts(self) -> Integers:
        """Length of each list, shape (rows,)."""
        return np.diff(self.indptr)

    @property
    def first(self) -> Integers:
        """First value of each list, -1 where it is empty, shape (rows,)."""
        is_filled = self.counts > 0
        out = np.full(len(self.indptr) - 1, -1, np.int64)
        out[is_filled] = self.values[self.indptr[:-1][is_filled]]
        return out

    @property
    def rows(self) -> Integers:
        """Row of each entry, shape (entries,)."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.counts)


def ranges(starts: Integers, counts: Integers) -> Integers:
    """Return the concatenated ranges start, start + 1, …, start + count - 1.

    Args:
        starts: First number of each range, shape (r,).
        counts: Length of each range, shape (r,).

    Returns:
        Shape (counts.sum(),).
    """
    return np.arange(int(counts.sum())) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def unique_sorted(numbers: Integers) -> Integers:
    """Return the unique numbers in ascending order; all must be 0 or more.

    `np.unique` hashes large integer arrays, which takes ten times as long as this sort.
    """
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def csr_lists(num_rows: int, rows: Integers, values: Integers) -> CsrLists:
    """Return the lists of values by row.

    Args:
        num_rows: Number of lists.
        rows: Row of each value, ascending, shape (entries,).
        values: Values, shape (entries,).

    Raises:
        CompletionError: A row lies outside of 0 … num_rows - 1.
    """
    if len(rows) and not (rows.min() >= 0 and rows.max() < num_rows):
        raise CompletionError("a row lies outside of the models", hint="This is a bug: please report it")
    return CsrLists(values, np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=num_rows)))))


def join_lists(parts: Sequence[CsrLists]) -> CsrLists:
    """Return one list a row: the row's list of the first part, then that of the second, and so on.

    Args:
        parts: Lists of the same number of rows.
    """
    indptr = np.sum([part.indptr for part in parts], axis=0)
    values = np.empty(indptr[-1], np.int64)
    starts = indptr[:-1].copy()
    for part in parts:
        values[ranges(starts, part.counts)] = part.values
        starts += part.counts
    return CsrLists(values, indptr)
