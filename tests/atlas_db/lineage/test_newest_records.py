"""Tests of `atlas_db/lineage/newest_records.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas_db.claims.lineage_sync import synchronise_lineage
from atlas_db.claims.runs import list_runs, rollback
from atlas_db.core.terms import RecordKind
from atlas_db.lineage import newest_records
from atlas_db.lineage.newest_records import NewestRecords, read_newest_records
from atlas_db.store.bolt import Store
from atlas_db.store.statements import merge_nodes
from ingest.load import load_records
from tests.support.graphs import load_rows, model


def test_dates_are_those_of_records_not_of_names(store: Store, tmp_path: Path) -> None:
    assert read_newest_records(store) == NewestRecords("", "")
    load_rows(store, tmp_path, [model("c/new", tags=["dataset:d/d"])], as_of="2024-06-30")
    newest = read_newest_records(store)
    assert newest == NewestRecords("2024-06-30", "")
    assert newest.words() == "newest record 2024-06-30"
    assert newest.words(RecordKind.DATASET) == "no record of any dataset"
    dataset = {"id": "d/d", "tags": [], "citation": "", "description": "", "author": "d"}
    load_rows(store, tmp_path, [dataset], as_of="2024-07-01")
    assert read_newest_records(store).datasets == "2024-07-01"


def test_dates_follow_each_load_and_its_rollback_as_a_reading_of_all_records_does(store: Store, tmp_path: Path) -> None:
    dataset = {"id": "d/d", "tags": [], "citation": "", "description": "", "author": "d"}
    loads = []
    for rows, as_of in (
        ([model("a/b"), dataset], "2024-06-30"),
        ([model("a/c")], "2024-07-31"),
        ([model("a/b"), model("a/c")], "2024-05-31"),
        ([dataset], "2024-08-31"),
        ([model("a/d"), {"no": "record"}], "2024-07-01"),
    ):
        loads.append(load_rows(store, tmp_path, rows, as_of=as_of).run_id)
        assert read_newest_records(store) == newest_records._scan(store)
    assert read_newest_records(store) == NewestRecords("2024-07-31", "2024-08-31")
    for run in reversed(loads):
        rollback(store, run, tmp_path, 1000)
        assert read_newest_records(store) == newest_records._scan(store)


def test_where_a_load_states_no_dates_they_are_kept_for_a_while(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_rows(store, tmp_path, [model("a/b")], as_of="2024-06-30")
    unfinished = {"kind": "load", "started": "2099-01-01T00:00:00.000000Z", "complete": False}
    store.write(lambda tx: tx.run_batch(merge_nodes("Run"), [{"id": "load-2099", "set": unfinished}]))
    assert read_newest_records(store).models == "2024-06-30"
    store.write(lambda tx: tx.run_batch(merge_nodes("Model"), [{"id": "a/b", "set": {"last_seen": "2024-07-31"}}]))
    assert read_newest_records(store).models == "2024-06-30"
    monkeypatch.setattr(newest_records, "KEPT_SECONDS", 0.0)
    newest_records._KEPT.clear()
    assert [read_newest_records(store).models for _ in range(2)] == ["2024-07-31"] * 2
    store.write(lambda tx: tx.run_batch(merge_nodes("Model"), [{"id": "a/b", "set": {"last_seen": "2024-08-31"}}]))
    assert read_newest_records(store).models == "2024-08-31"


def test_a_load_that_goes_on_states_what_a_reading_of_all_records_finds(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[NewestRecords] = []

    def look_first(*arguments: Any, **named: Any) -> Any:
        assert not list_runs(store)[0]["complete"]
        seen.append(read_newest_records(store))
        assert not newest_records._KEPT, "all records were read"
        assert seen[-1] == newest_records._scan(store)
        return synchronise_lineage(*arguments, **named)

    monkeypatch.setattr(load_records, "synchronise_lineage", look_first)
    for as_of in ("2024-06-30", "2024-07-31", "2024-05-31"):
        rows = [model(f"{as_of}/{number}") for number in range(40)]
        load_rows(store, tmp_path, rows, as_of=as_of, batch_rows=20)
    assert [each.models for each in seen] == ["2024-06-30", "2024-07-31", "2024-07-31"]
