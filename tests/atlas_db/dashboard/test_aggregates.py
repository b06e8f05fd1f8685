"""Tests of `atlas_db/dashboard/aggregates.py`."""

from __future__ import annotations

from pathlib import Path

from atlas_db.dashboard.aggregates import Bundle, build_bundle, load_bundle
from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.dashboard_hub import ROWS
from tests.support.graphs import model, write_rows


def test_search_finds_whatever_the_case(counted: Bundle) -> None:
    assert counted.search("FAN-59", 5) == ["f/fan-59"]
    assert counted.search("fan-", 3) == ["f/fan-59", "f/fan-58", "f/fan-57"] or len(counted.search("fan-", 3)) == 3
    expected = {row["id"] for row in ROWS if "chat" in row["id"]}
    assert set(counted.search("chat", 1000)) == expected
    assert counted.search("org0/base0-7b", 5)[0] == "org0/base0-7b"
    assert counted.search(".*", 5) == counted.search("", 5) == counted.search("a\nb", 5) == []


def test_a_bundle_that_was_not_finished_is_not_taken(local_store: Store, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [model("a/b")])
    load(local_store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    made = build_bundle(local_store, tmp_path)
    part = made.folder.with_name(made.folder.name + ".part")
    part.mkdir()
    (part / "report.json").write_text("{")
    (made.folder / "report.json").unlink()
    assert load_bundle(local_store, tmp_path) is None
    assert build_bundle(local_store, tmp_path).report["models"] == 1
    assert not part.exists()
