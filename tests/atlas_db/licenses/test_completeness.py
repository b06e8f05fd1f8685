"""Tests of `atlas_db/licenses/completeness.py`."""

from __future__ import annotations

from pathlib import Path

from atlas_db.licenses.completeness import named, newer_models
from atlas_db.lineage.newest_records import NewestRecords, read_newest_records
from atlas_db.store.bolt import Store
from tests.support.graphs import child, load_rows, model


def test_a_model_that_came_after_the_newest_record(store: Store, tmp_path: Path) -> None:
    rows = [child("c/c", "finetune:p/gone"), model("c/new", createdAt="2025-02-01T00:00:00.000Z")]
    load_rows(store, tmp_path, rows, as_of="2024-06-30")
    newest = read_newest_records(store)
    assert newer_models(store, newest) == newer_models(store, newest, ["c/new", "c/c", "p/gone"]) == ["c/new"]
    assert newer_models(store, newest, ["c/c"]) == newer_models(store, NewestRecords("", "")) == []


def test_a_model_of_the_same_day_is_not_newer(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [model("c/c", lastModified="2024-06-30T23:00:00.000Z")], as_of="2024-06-30")
    assert newer_models(store, read_newest_records(store)) == []


def test_few_names_are_listed() -> None:
    assert named(["a", "b", "c"]) == "a, b, c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
