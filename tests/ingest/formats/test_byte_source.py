"""Bytes of a file by position: what is wanted is read, counted, and named where it is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile, contiguous_runs


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([4], [(0, 1)]),
        ([0, 1, 2], [(0, 3)]),
        ([0, 1, 5, 6, 9], [(0, 2), (2, 4), (4, 5)]),
        ([3, 2], [(0, 1), (1, 2)]),
    ],
)
def test_rows_that_follow_each_other_are_read_in_one_go(rows: list[int], expected: list[tuple[int, int]]) -> None:
    assert list(contiguous_runs(np.array(rows, np.int64))) == expected if rows else not len(rows)


def test_bytes_are_read_by_position_and_counted(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(range(100)))
    with LocalFile(tmp_path / "f") as source:
        assert source.size == 100
        assert source.read(90, 100) == bytes(range(90, 100))
        assert source.read(0, 3) == b"\x00\x01\x02"
        assert source.bytes_read == 13
        with pytest.raises(WeightsError, match="ends at byte 100, 101 were promised"):
            source.read(95, 101)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be opened"):
        LocalFile(tmp_path / "nothing")
