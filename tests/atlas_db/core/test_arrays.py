"""Tests of `atlas_db/core/arrays.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.arrays import csr_lists, join_lists, ranges, unique_sorted
from atlas_db.core.errors import CompletionError
from tests.support.strategies import csr_of

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8)


@given(LISTS, st.data())
def test_csr_lists_are_lists_of_lists(lists: list[list[int]], data: st.DataObject) -> None:
    csr = csr_of(lists)
    rows = data.draw(st.lists(st.integers(-1, len(lists) - 1), max_size=6))
    taken = csr.take(np.array(rows, np.int64))
    assert [taken.row(at).tolist() for at in range(len(rows))] == [lists[row] if row >= 0 else [] for row in rows]
    assert csr.counts.tolist() == [len(each) for each in lists]
    assert csr.first.tolist() == [each[0] if each else -1 for each in lists]
    assert csr.rows.tolist() == [row for row, each in enumerate(lists) for _ in each]
    assert unique_sorted(csr.values).tolist() == sorted(set(csr.values.tolist()))


def test_rows_outside_of_the_lists_are_an_error() -> None:
    with pytest.raises(CompletionError, match="outside"):
        csr_lists(2, np.array([0, 2]), np.array([1, 1]))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_ranges_are_concatenated(pairs: list[tuple[int, int]]) -> None:
    starts, counts = (np.array([pair[at] for pair in pairs], np.int64) for at in (0, 1))
    assert ranges(starts, counts).tolist() == [n for start, count in pairs for n in range(start, start + count)]


@given(st.lists(st.tuples(*[st.lists(st.integers(0, 9), max_size=4)] * 3), max_size=6))
def test_lists_are_joined_row_by_row(rows: list[tuple[list[int], list[int], list[int]]]) -> None:
    parts = [csr_of([row[part] for row in rows]) for part in range(3)]
    joined = join_lists(parts)
    assert [joined.row(row).tolist() for row in range(len(rows))] == [a + b + c for a, b, c in rows]
