"""Bytes of a file by position: what is wanted is read, counted, and named where it is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile, contiguous_runs, read_columns


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


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_disk_has_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="cannot be opened"):
        LocalFile(tmp_path / name)


@pytest.mark.parametrize(
    ("whole", "element", "read"),
    [(2**22, 4096, 7000), (0, 4096, 7000), (0, 0, 2 * 70 * 2)],
    ids=["whole", "blocks of rows", "element by element"],
)
def test_columns_are_the_same_however_they_are_read(
    tmp_path: Path, whole: int, element: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = np.random.default_rng(1).integers(0, 2**16, (70, 50)).astype("<u2")
    (tmp_path / "f").write_bytes(b"head" + stored.tobytes())
    for name, value in (("MAX_WHOLE_READ_BYTES", whole), ("BYTES_AN_ELEMENT", element), ("BLOCK_BYTES", 1000)):
        monkeypatch.setattr(f"ingest.formats.byte_source.{name}", value)
    wanted = np.array([49, 3, 3])
    with LocalFile(tmp_path / "f") as source:
        found = read_columns(source, 4, stored.shape, 2, wanted)
        np.testing.assert_array_equal(found.view("<u2"), stored.T[wanted])
        assert source.bytes_read == read
        with pytest.raises(WeightsError, match="were promised"):
            read_columns(source, 6, stored.shape, 2, wanted)


def test_the_bytes_of_one_reading_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(bytes(100))
    monkeypatch.setattr("ingest.formats.byte_source.MAX_READ_BYTES", 10)
    with LocalFile(tmp_path / "f") as source:
        assert source.read(5, 15) == bytes(10)
        with pytest.raises(WeightsError, match="11 bytes read at once, more than 10"):
            source.read(5, 16)
