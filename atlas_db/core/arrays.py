"""Array types and lists of lists as flat arrays (CSR)."""

from __future__ import annotations

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
    """A list of numbers a model.

    Attributes:
        values: All lists end to end, shape (entries,).
        starts: Where each begins, and the end, shape (models + 1,).
    """

    values: Integers
    indptr: Integers

    def row(self, row: int) -> Integers:
        """Return the list of one model."""
        return self.values[self.indptr[row] : self.indptr[row + 1]]

    def take(self, rows: Integers) -> CsrLists:
        """Return the lists of some models in that order; -1 has an empty one."""
        counts = np.where(rows >= 0, self.counts[rows], 0)
        values = self.values[ranges(self.indptr[:-1][rows], counts)]
        return CsrLists(values, np.concatenate(([0], np.cumsum(counts))))

    @property
    def counts(self) -> Integers:
        """Length of each list, shape (models,)."""
        return np.diff(self.indptr)

    @property
    def first(self) -> Integers:
        """First number of each list, -1 where it is empty, shape (models,)."""
        filled = self.counts > 0
        out = np.full(len(self.indptr) - 1, -1, np.int64)
        out[filled] = self.values[self.indptr[:-1][filled]]
        return out

    @property
    def rows(self) -> Integers:
        """The model of each entry, shape (entries,)."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.counts)


def ranges(starts: Integers, counts: Integers) -> Integers:
    """Return the numbers from each start on, so many of each, end to end."""
    return np.arange(int(counts.sum())) + np.repeat(starts - np.cumsum(counts) + counts, counts)


def unique_sorted(numbers: Integers) -> Integers:
    """Return different numbers from zero on, ascending; `np.unique` hashes them, which takes ten times as long."""
    ordered = np.sort(numbers)
    return ordered[np.diff(ordered, prepend=-1) > 0]


def csr_lists(models: int, rows: Integers, values: Integers) -> CsrLists:
    """Return lists of values whose rows ascend.

    Raises:
        CompletionError: A row is no model.
    """
    if len(rows) and not (rows.min() >= 0 and rows.max() < models):
        raise CompletionError("a row lies outside of the models", hint="This is a bug: please report it")
    return CsrLists(values, np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=models)))))
