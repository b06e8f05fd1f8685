"""Tests of `ingest/load/new_graph.py`: what it adds, and that Neo4j's import tool makes the same graph of it as Bolt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atlas_db.claims.runs import list_runs, rollback
from atlas_db.core.records import HubRecord
from atlas_db.core.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, open_store
from atlas_db.store.managed_engine import stop_engine
from atlas_db.store.statements import Statement
from ingest.hub.decode import decode_record
from ingest.load import load_records
from ingest.load.load_records import load
from ingest.load.load_report import LoadReport
from ingest.load.new_graph import NewGraphWriter
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, model, whole, write_rows
from tests.support.hubs import BRED, FAMILY
from tests.support.stores import wipe

DAY, LATER = "2024-07-01", "2024-08-01"


class Listed:
    """A graph as lists."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, Mapping[str, Any]]] = []
        self.rows: list[tuple[str, str, str, dict[str, Any]]] = []

    def node(self, label: str, props: Mapping[str, Any]) -> None:
        self.nodes.append((label, props))

    def edges(
        self, rel: str, source: str, target: str, rows: Sequence[Sequence[Any]], names: Sequence[str] = (),
        common: Mapping[str, Any] = {},
    ) -> None:  # fmt: skip
        for start, end, *values in rows:
            self.rows.append((rel, start, end, {**dict(zip(names, values, strict=True)), **common}))

    def flush(self) -> None:
        pass


def _records(*rows: dict[str, Any], as_of: str = DAY) -> list[tuple[HubRecord, str]]:
    return [(decode_record(msgspec.json.encode(row)), as_of) for row in rows]


FIRST = model("ann/twice", tags=["license:mit", "dataset:squad", "dataset:bob/listed"], downloads=1)
SECOND = model("ann/twice", tags=["license:apache-2.0"], downloads=2)
ONCE = child("ann/once", "gpt2", tags=["license:mit"])
LISTED = {"id": "bob/listed", "citation": "x", "tags": ["license:mit"], "downloads": 3}


@pytest.mark.parametrize("rows", [1, 5000])
def test_each_node_is_added_once_and_datasets_last(rows: int) -> None:
    out, report = Listed(), LoadReport(run_id="r")
    writer = NewGraphWriter(out, report, rows)
    assert writer.write(_records(FIRST, ONCE, LISTED)) == []
    ids = Counter((label, props["id"]) for label, props in out.nodes)
    assert set(ids.values()) == {1}
    assert set(ids) == {
        ("Model", "ann/twice"), ("Model", "ann/once"), ("Dataset", "bob/listed"), ("Dataset", "squad"),
        ("License", "mit"), ("Author", "ann"), ("Author", "bob"),
    }  # fmt: skip
    assert {props["id"]: props["placeholder"] for label, props in out.nodes if label == "Dataset"} == {
        "bob/listed": False, "squad": True,
    }  # fmt: skip
    assert report.nodes == {"created": 3} and report.claims == {"created": len(out.rows) - 3}
    assert set(writer.models) == {"ann/twice", "ann/once"}
    assert [each.name for each in writer.declarations["ann/once"]] == ["gpt2"]


def test_a_record_of_a_repository_that_was_added_is_returned() -> None:
    writer = NewGraphWriter(Listed(), LoadReport(run_id="r"), 1)
    again = _records(SECOND)
    assert writer.write([*_records(FIRST), *again, *_records(LISTED)]) == again


def test_records_of_one_repository_are_merged_and_counted_as_if_each_was_written() -> None:
    out, report = Listed(), LoadReport(run_id="r")
    writer = NewGraphWriter(out, report, 5000)
    assert (
        writer.write([*_records(FIRST), *_records(SECOND, SECOND, as_of=LATER), *_records(ONCE)], {"ann/twice"}) == []
    )
    (node,) = (props for label, props in out.nodes if props["id"] == "ann/twice")
    assert (node["downloads"], node["first_seen"], node["last_seen"]) == (2, DAY, LATER)
    claims = {end: props for rel, start, end, props in out.rows if (rel, start) == ("HAS_LICENSE", "ann/twice")}
    assert claims["mit"]["valid_to"] == LATER and "valid_to" not in claims["apache-2.0"]
    assert claims["mit"]["run_id"] == "r" and claims["mit"]["confidence"] == 1.0
    assert report.nodes == {"created": 2, "changed": 1, "unchanged": 1}
    assert Counter(label for label, _ in out.nodes) == {"Model": 2, "Author": 1, "License": 2, "Dataset": 2}
    assert writer.models["ann/twice"].downloads == 2


ODD = [
    child("it's/a\"b", "x;y/z,\\w", tags=["with;semicolon", "with,comma", "", '"q"', "é😀\u2028"]),
    model("ann/card", cardData={"license": "other", "license_name": "line\nbreak", "datasets": ["squad", "bob/list"]}),
]
LISTS = [{"id": "bob/list", "citation": "x\ny", "tags": ["license:mit"], "downloads": 3, "author": "bob"}]
AGAIN = [child("ann/tuned", "facebook/opt-1.3b", downloads=99, tags=["license:mit"])]


def _loaded(store: Store, home: Path, *paths: str) -> LoadReport:
    return load(store, list(paths), LoadOptions(home, as_of="2024-07-01"))


def _written(store: Store) -> tuple[Any, ...]:
    """Return the graph, and of its runs what does not depend on the clock."""
    runs = [
        {**run, "counts": {name: value for name, value in run["counts"].items() if name != "reject_file"}}
        for run in list_runs(store)
    ]
    for run in runs:
        for name in ("id", "started", "finished"):
            assert run.pop(name)
    return (*whole(store), json.dumps(runs, sort_keys=True))


@pytest.fixture
def always_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_records, "MIN_OFFLINE_ROWS", 0)


@pytest.mark.engine
@pytest.mark.neo4j
@pytest.mark.slow
@pytest.mark.parametrize("more", [[], AGAIN], ids=["each once", "repeated"])
def test_an_import_makes_the_graph_and_the_run_that_a_load_over_bolt_makes(
    own_neo4j: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[dict[str, Any]]
) -> None:
    files = [
        write_rows(tmp_path / f"{name}.jsonl", rows)
        for name, rows in (
            ("models", [*FAMILY, *BRED[:300], *ODD]),
            ("datasets", LISTS),
            ("more", more or BRED[300:310]),
        )
    ]
    with open_store(own_neo4j) as store:
        assert "import" not in _loaded(store, tmp_path, *files).seconds
        expected = _written(store)
        wipe(store)
        monkeypatch.setattr(load_records, "MIN_OFFLINE_ROWS", 0)
        report = _loaded(store, tmp_path, *files)
        assert "import" in report.seconds and not report.rejects
        assert _written(store) == expected
        again = _loaded(store, tmp_path, *files)
        assert "import" not in again.seconds and again.changed == 0
        rollback(store, again.run_id, tmp_path, 500)
        assert _written(store) == expected
        rollback(store, report.run_id, tmp_path, 500)
        assert whole(store) == ([], [])


@pytest.mark.engine
@pytest.mark.neo4j
@pytest.mark.slow
@pytest.mark.usefixtures("always_offline")
def test_an_import_is_not_chosen_where_anything_is_in_the_store_or_anyone_at_it(
    own_neo4j: Settings, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "models.jsonl", FAMILY)
    foreign = Statement("CREATE (:Foreign)")
    with open_store(own_neo4j) as store:
        dry = load(store, [path], LoadOptions(tmp_path, dry_run=True))
        assert "import" not in dry.seconds
        with connect(own_neo4j):
            assert "import" not in _loaded(store, tmp_path, path).seconds
        wipe(store)
        store.write(lambda tx: tx.run(foreign))
        assert "import" not in _loaded(store, tmp_path, path).seconds
        assert store.read(Statement("MATCH (f:Foreign) RETURN count(f) AS n"))[0]["n"] == 1


@pytest.mark.engine
@pytest.mark.neo4j
@pytest.mark.slow
@pytest.mark.usefixtures("always_offline")
def test_users_and_secret_stay_as_they_were(own_neo4j: Settings, tmp_path: Path) -> None:
    with open_store(own_neo4j) as store:
        secret = (tmp_path / "store" / "secret").read_bytes()
        assert "import" in _loaded(store, tmp_path, write_rows(tmp_path / "models.jsonl", FAMILY)).seconds
        expected = whole(store)
    stop_engine(tmp_path / "store")
    assert (tmp_path / "store" / "secret").read_bytes() == secret
    with open_store(own_neo4j) as store:
        assert whole(store) == expected
    stop_engine(tmp_path / "store")
    (tmp_path / "store" / "secret").unlink()
    with open_store(own_neo4j) as store:
        assert whole(store) == expected
