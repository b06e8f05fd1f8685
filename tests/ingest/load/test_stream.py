"""Tests of `ingest/load/stream.py`."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_db.core.errors import FAULT, InputError
from atlas_db.core.records import HubRecord
from atlas_db.core.settings import Settings
from atlas_db.store.connect import connect, open_store
from atlas_db.store.managed_engine import is_owned, read_state, stop_engine
from atlas_db.store.statements import Statement
from ingest.hub.snapshot import SourceFile, find_inputs, newest_date, repeated_ids
from ingest.load.load_report import LoadReport, RejectFile
from ingest.load.stream import NO_DATE, SKIPPED_FILE, LoadOptions, RecordStream
from tests.support.graphs import load_rows, whole, write_rows
from tests.support.hubs import BRED
from tests.support.waiting import wait_for

ROWS = BRED[:1200]


def test_a_file_without_any_date_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a/b", "createdAt": "soon"}\n{"id": "c/d"}\n')
    os.utime(path, (1709510400, 1709510400))
    dated = Path(write_rows(tmp_path / "dated.jsonl", [{"id": "e/f", "createdAt": "2024-01-01T00:00:00.000Z"}]))

    def noted(as_of: str, *paths: Path) -> tuple[str, dict[str, int]]:
        report = LoadReport()
        stream = RecordStream(report, LoadOptions(tmp_path, as_of), lambda *_: None)
        files = stream.with_dates([SourceFile(path, path.name) for path in paths])
        rejects = RejectFile(tmp_path / "rejects.jsonl", report)
        assert len(list(stream.records(files, rejects))) == report.rows
        rejects.close()
        return report.as_of, dict(report.notes)

    assert noted("", path) == ("2024-03-04", {NO_DATE: 1, "unreadable_field": 1})
    assert "--as-of" in (tmp_path / "rejects.jsonl").read_text()
    assert noted("2024-02-02", path) == ("2024-02-02", {"unreadable_field": 1})
    assert noted("", path, dated) == ("2024-01-01", {"unreadable_field": 1})


def test_files_of_other_formats_in_a_folder_are_said(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    write_rows(folder / "rows.jsonl", [{"id": "a/b", "createdAt": "2024-01-01T00:00:00.000Z"}])
    others = ["a.csv", "b.feather", "c.arrow", "d.jsonl.bz2", "e.jsonl.xz"]
    for name in [*others, "notes.txt", ".hidden.csv"]:
        (folder / name).write_bytes(b"x")
    report = LoadReport()
    stream = RecordStream(report, LoadOptions(tmp_path), lambda *_: None)
    files = stream.with_dates(find_inputs([str(folder)], tmp_path))
    rejects = RejectFile(tmp_path / "rejects.jsonl", report)
    assert [record.id for record, _ in stream.records(files, rejects)] == ["a/b"]
    rejects.close()
    assert (report.skipped, report.notes, report.files) == (others, {SKIPPED_FILE: 5}, 1)
    assert all(name in (tmp_path / "rejects.jsonl").read_text() for name in others)
    (folder / "rows.jsonl").unlink()
    with pytest.raises(InputError, match=r"a\.csv.*not read"):
        find_inputs([str(folder)], tmp_path)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_load_killed_ten_times_ends_in_the_same_graph(engine_settings: Settings, tmp_path: Path) -> None:
    """Kill -9 at ten random moments, then run it to the end."""
    wipe = Statement("MATCH (n) DETACH DELETE n")
    with connect(engine_settings) as store:
        store.write(lambda tx: tx.run(wipe))
    with open_store(engine_settings) as store:
        load_rows(store, tmp_path, ROWS, batch_rows=120)
        expected = whole(store)
        store.write(lambda tx: tx.run(wipe))
    path = write_rows(tmp_path / "again.jsonl", ROWS)
    environ = {
        **os.environ,
        "ATLAS_DB_HOME": str(engine_settings.home),
        "ATLAS_DB_STORE": engine_settings.store,
        "ATLAS_DB_USER": engine_settings.user,
        "ATLAS_DB_PASSWORD": engine_settings.password,
        "ATLAS_DB_BATCH_ROWS": "40",
        "ATLAS_DB_HEAP": engine_settings.heap,
    }
    command = [sys.executable, "-m", "atlas_db", "load", "--no-statistics", path]
    moments = random.Random(2024)
    killed = 0
    while killed < 10:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=moments.uniform(0.4, 2.2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        killed += 1
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
    with open_store(engine_settings) as store:
        assert whole(store) == expected


@pytest.mark.engine
@pytest.mark.slow
def test_a_store_that_vanishes_half_way_is_an_error_and_the_load_goes_on_later(
    own_engine: Settings, tmp_path: Path
) -> None:
    from atlas_db.core.errors import StoreError
    from ingest.load.load_records import load

    path = write_rows(tmp_path / "rows.jsonl", BRED)
    with open_store(own_engine) as store:
        state = read_state(tmp_path / "store")
        assert state is not None
        killed = []

        def kill_half_way(stage: str, done: int, total: int) -> None:
            if stage == "records" and not killed:
                killed.append(done)
                os.kill(int(str(state["java_pid"])), signal.SIGKILL)

        with pytest.raises(StoreError):
            load(store, [path], LoadOptions(tmp_path, batch_rows=200), kill_half_way)
    assert killed
    wait_for(lambda: not is_owned(tmp_path / "store"))
    with open_store(own_engine) as store:
        load(store, [path], LoadOptions(tmp_path, batch_rows=200))
        again = whole(store)
    other = Settings(home=tmp_path, store=f"local:{tmp_path / 'fresh'}", heap="512m")
    with open_store(other) as store:
        load(store, [path], LoadOptions(tmp_path))
        assert whole(store) == again
    stop_engine(tmp_path / "fresh")


def _streamed(folder: Path, files: list[SourceFile]) -> tuple[list[str], LoadReport, list[dict[str, object]]]:
    report = LoadReport()
    stream = RecordStream(report, LoadOptions(folder), lambda *_: None)
    rejects = RejectFile(folder / "rejects.jsonl", report)
    ids = [record.id for record, _ in stream.records(stream.with_dates(files), rejects)]
    rejects.close()
    return ids, report, [json.loads(line) for line in (folder / "rejects.jsonl").read_text().splitlines()]


def test_a_fault_of_ours_costs_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": f"a/{n}", "createdAt": "2024-01-01T00:00:00.000Z"} for n in range(3)]
    path = Path(write_rows(tmp_path / "rows.jsonl", rows))

    def odd(task: object, library: object, record: HubRecord, part: object) -> None:
        if record.id == "a/1":
            raise TypeError("keys must be str" * 99)

    monkeypatch.setattr("ingest.hub.decode._read_fields", odd)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({**row, "tags": []}) + "\n" for row in rows))
    ids, report, (reject,) = _streamed(tmp_path, [SourceFile(path, path.name)])
    assert (ids, report.rejects, report.rows) == (["a/0", "a/2"], {FAULT: 1}, 3)
    assert (reject["line"], reject["code"], json.loads(str(reject["record"]))["id"]) == (2, FAULT, "a/1")
    assert re.fullmatch(r"a fault of atlas-db: TypeError at decode\.py:\d+ \(keys must .{70}\)", str(reject["reason"]))


def test_a_fault_of_a_pass_over_the_dates_or_ids_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(write_rows(tmp_path / "rows.jsonl", [{"id": "a/b", "createdAt": "2024-01-01"}] * 2))
    source = SourceFile(path, path.name)
    with monkeypatch.context() as patch:
        patch.setattr("ingest.hub.snapshot.day_of", lambda _: 1 / 0)
        patch.setattr("ingest.hub.snapshot.record_id", lambda *_: 1 / 0)
        assert (newest_date(source), repeated_ids([source])) == (("", 2), set())
    assert (newest_date(source), repeated_ids([source])) == (("2024-01-01", 2), {"a/b"})


def test_a_fault_of_a_reader_costs_the_rest_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = "2024-01-01T00:00:00.000Z"
    lines = Path(write_rows(tmp_path / "rows.jsonl", [{"id": "a/b", "createdAt": stamp}]))
    (tmp_path / "array.json").write_text(json.dumps([{"id": "c/d", "createdAt": stamp}, {"id": "e/f"}]))

    def items(*_: object) -> Iterator[tuple[int, bytes]]:
        yield 1, json.dumps({"id": "c/d", "createdAt": stamp}).encode()
        raise KeyError("e/f")

    monkeypatch.setattr("ingest.hub.snapshot.array_items", items)
    files = [SourceFile(tmp_path / "array.json", "array.json"), SourceFile(lines, lines.name)]
    ids, report, (reject,) = _streamed(tmp_path, files)
    assert (ids, report.rejects, reject["file"]) == (["c/d", "a/b"], {FAULT: 1}, "array.json")
    assert "KeyError at snapshot.py:" in str(reject["reason"])
