"""Tests of `ingest/hub/parquet_files/bounded_rows.py` and its worker: files beyond the bounds cost themselves alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atlas_db.core.errors import RecordError
from ingest.hub.parquet_files import bounded_rows as bounded
from ingest.hub.parquet_files.bounded_rows import bounded_rows, end_workers
from ingest.hub.parquet_files.parquet_rows import parquet_rows

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_workers() -> None:
    end_workers()


def workers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "row_worker" in " ".join(each.cmdline())]


def written(folder: Path, name: str, **columns: object) -> Path:
    pq.write_table(pa.table(columns), folder / name)
    return folder / name


def test_rows_are_those_that_this_process_decodes(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff"], pa.binary()).buffers())
    few = written(tmp_path, "few.parquet", id=["a/b", "c/d"], sha=broken)
    many = written(tmp_path, "many.parquet", id=[f"a/{n}" for n in range(5000)], text=["x" * 1000] * 5000)
    for file in (few, many, written(tmp_path, "none.parquet", id=pa.array([], pa.string()))):
        assert list(bounded_rows(file)) == list(parquet_rows(file))
    assert len(workers()) == 1, "one worker reads all files"


def test_a_file_that_needs_too_much_memory_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MAX_MEMORY", 64 * 2**20)
    large = written(tmp_path, "large.parquet", id=["a/b"] * 200, card=["x" * 2**20] * 200)
    small = written(tmp_path, "small.parquet", id=["a/b"])
    assert large.stat().st_size < 2**20
    with pytest.raises(RecordError, match=r"too much memory|malloc|process that decodes it ended"):
        list(bounded_rows(large))
    assert [text for text, _ in bounded_rows(small)] == [b'{"id":"a/b"}']


def test_a_file_that_takes_too_long_is_named_and_its_worker_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "MAX_SECONDS", 0.0)
    file = written(tmp_path, "rows.parquet", id=["a/b"])
    with pytest.raises(RecordError, match="take longer than 0 s"):
        list(bounded_rows(file))
    assert workers() == []


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.parquet", id=["a/b"] * 5000, text=["x" * 1000] * 5000)
    rows = bounded_rows(file)
    next(rows)
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(RecordError, match="process that decodes it ended"):
        list(rows)
    assert sum(1 for _ in bounded_rows(file)) == 5000
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(10)
    assert sum(1 for _ in bounded_rows(file)) == 5000, "an idle one that died is not asked"


def test_a_reader_that_stops_early_leaves_no_worker(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.parquet", id=["a/b"] * 5000, text=["x" * 1000] * 5000)
    rows = bounded_rows(file)
    next(rows)
    rows.close()
    assert workers() == []


def test_a_row_that_is_too_long_has_no_text(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.parquet", id=["a/b", "c/d"], card=["x" * (33 * 2**20), "y"])
    assert [text for text, _ in bounded_rows(file)] == [b"", b'{"id":"c/d","card":"y"}']


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.parquet", id=["a/b"] * 5000)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RecordError, match="the Parquet file is damaged"):
        list(bounded_rows(file))
    assert len(workers()) == 1, "an error is an answer"
