"""Tests of `atlas_db/dashboard/aggregates.py`."""

from __future__ import annotations

import struct
from pathlib import Path

from atlas_db.dashboard.aggregates import Bundle, build_bundle, load_bundle
from atlas_db.dashboard.map.model_map import read_records
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
    assert search(" org0  base0 7B", 5)[0] == "org0/base0-7b", "a space stands for any sign"
    assert search("fan 59", 5) == ["f/fan-59"]
    assert search(".*", 5) == search("", 5) == search("a\nb", 5) == []


def test_the_place_of_a_model_is_its_cell_and_its_family(counted: Bundle) -> None:
    records = read_records(counted.folder)
    for name in ("org0/base0-7b", "f/fan-7", counted.names[-1]):
        place = counted.place_of(name)
        assert place is not None
        at = counted.names.index(name)
        assert (place["column"], place["row"]) == struct.unpack("<HH", records[at].tobytes()[:4])
        assert place["column"] < place["width"]
        assert place["row"] < place["height"]
    fan, alone = counted.place_of("f/fan-7"), counted.place_of(counted.names[-1])
    assert fan is not None
    assert alone is not None
    family = {row["id"]: row["models"] for row in counted.report["map"]["labels"]}
    assert (fan["region"], fan["root"], fan["models"]) == ("land", "org0/base0-7b", family["org0/base0-7b"])
    assert (alone["region"], alone["root"], alone["models"]) == ("sea", counted.names[-1], 1)
    assert counted.place_of("f/fan-700") is None


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
