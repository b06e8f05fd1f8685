"""Tests of `atlas_db/claims/runs.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.claims.runs import exclusive_writer, list_runs, rollback
from atlas_db.core.errors import RollbackError, StoreLockedError
from atlas_db.store.bolt import Store
from ingest.load import load_records
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, load_rows, model, whole, write_rows
from tests.support.hubs import FAMILY


def test_rolling_back_restores_the_graph(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, FAMILY, as_of="2024-01-01")
    before = whole(store)
    change = [
        model("ann/tuned", tags=["license:gemma"], downloads=77),
        model("nobody/nothing"),
        child("new/kid", "ann/merged", tags=["dataset:fresh", "license:wtfpl"]),
        {"id": "squad", "author": "x", "citation": "", "tags": ["license:cc-by-4.0"], "key": ""},
    ]
    second = load_rows(store, tmp_path, change, as_of="2024-02-01")
    assert whole(store) != before
    first_id = next(run["id"] for run in list_runs(store) if run["id"] != second.run_id)
    with pytest.raises(RollbackError, match="not the newest"):
        rollback(store, first_id, tmp_path, 1000)
    with pytest.raises(RollbackError, match="no run"):
        rollback(store, "load-none", tmp_path, 1000)
    rollback(store, second.run_id, tmp_path, 1000)
    assert whole(store) == before
    rollback(store, first_id, tmp_path, 1000)
    assert whole(store) == ([], [])


def test_a_writer_that_takes_too_long_is_named(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_records, "WAIT_SECONDS", 0.1)
    path = write_rows(tmp_path / "a.jsonl", [model("a/b")])
    with exclusive_writer(store, tmp_path), pytest.raises(StoreLockedError, match="another process is writing"):
        load(store, [path], LoadOptions(tmp_path))
    assert load(store, [path], LoadOptions(tmp_path)).nodes["created"] == 1
