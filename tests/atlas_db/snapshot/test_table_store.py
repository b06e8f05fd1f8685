"""A snapshot gives what the engine gives, statement by statement and report by report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from atlas_db.bom.collect import collect_contents
from atlas_db.core.errors import EmptyStoreError, ModelNotFoundError, UsageError, WriteRefusedError
from atlas_db.core.terms import RecordKind
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.audit_graph import ALL_MODELS
from atlas_db.licenses.write_findings import audit_and_write, audit_without_writing
from atlas_db.lineage.newest_records import LOADS
from atlas_db.lineage.traversal import lineage
from atlas_db.pipeline.sample import sample_files
from atlas_db.snapshot import table_store
from atlas_db.snapshot.repositories import KeptRepositories, StoredRepositories, named_models
from atlas_db.snapshot.snapshot_file import SnapshotFile, write_snapshot
from atlas_db.snapshot.table_store import TableStore
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement, count_nodes
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, load_rows, model
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS, VERDICTS

MORE = [
    child("x/vague", "finetune:tern", tags=["license:mit"]),
    child("x/absent", "finetune:nobody/knows", tags=["license:mit"], sha="a" * 40),
    model("a/tern"), model("b/tern", downloads=20),
    model("y/new", createdAt="2024-07-01T00:00:00.000Z", siblings=[{"rfilename": "LICENSE"}]),
]  # fmt: skip


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(_plain(row), sort_keys=True) for row in rows)


def _plain(value: Any) -> Any:
    """Return a row without properties that a snapshot leaves out."""
    if isinstance(value, dict):
        dropped = {"snapshots", "record_digest", "declared_parents", "tags", "likes", "run_id", "private", "stated_in"}
        dropped |= {"base_model", "valid_to"}
        return {name: _plain(each) for name, each in value.items() if name not in dropped and each is not None}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def test_each_statement_has_the_rows_of_the_engine(local_store: Store, tmp_path: Path) -> None:
    load_rows(local_store, tmp_path, [*ROWS, *MORE])
    write_snapshot(local_store, tmp_path / "atlas.parquet")
    snapshot = TableStore("atlas.parquet", SnapshotFile(tmp_path / "atlas.parquet"))
    ids = [*VERDICTS, "x/vague", "x/absent", "y/new", "nobody/knows", "data/nc", "not/there"]
    parameters = {
        "ids": ids, "id": META, "date": "2024-05-01", "min_confidence": 0.0, "contradicted": False,
        "name": "meta-llama-3-8b", "prefix": "b/", "beginning": "b/", "part": "llama", "architecture": "none",
    }  # fmt: skip
    compared = 0
    for text in table_store._ANSWERS:
        engine_rows = local_store.read(Statement(text), **parameters)
        found = snapshot.read(Statement(text), **parameters)
        if text == LOADS.text:
            assert engine_rows and not found, "a snapshot keeps no runs"
        elif "LIMIT 1" in text:
            assert len(engine_rows) == len(found) == 1
        else:
            assert _sorted(found) == _sorted(engine_rows), text
        compared += len(found)
    assert compared > 100
    listed = 0
    for text in table_store._LISTS:
        left, right = (each.fetch_all(Statement(text)) for each in (snapshot, local_store))
        if text == ALL_MODELS.text:
            left, right = ([row[:-1] for row in rows] for rows in (left, right))  # a position is the engine's own
        if "TRAINED_ON" in text:
            right = [row for row in right if row[2] == "declared" and row[-1] is None]
        if "declared_parents" not in text:
            assert sorted(map(str, left)) == sorted(map(str, right)), text
        listed += len(left)
    assert listed > 60


def test_the_audit_of_all_is_that_of_the_engine_on_the_sample(local_store: Store, tmp_path: Path) -> None:
    load(local_store, sample_files(), LoadOptions(tmp_path, as_of="2024-05-31"))
    write_snapshot(local_store, tmp_path / "atlas.parquet")
    snapshot = TableStore("atlas.parquet", SnapshotFile(tmp_path / "atlas.parquet"))
    written = audit_and_write(local_store, tmp_path, AuditOptions(), 5000).document()
    reported = audit_without_writing(snapshot, AuditOptions()).document()
    for each in (written, reported):
        each["findings"].sort(key=lambda row: json.dumps(row, sort_keys=True))
        each["not_in_atlas"].sort()
    assert written.pop("run_id") and reported.pop("run_id") is None
    assert written == reported
    assert len(reported["findings"]) > 500


def test_reports_are_those_of_the_engine(local_store: Store, tmp_path: Path) -> None:
    load_rows(local_store, tmp_path, [*ROWS, *MORE])
    write_snapshot(local_store, tmp_path / "atlas.parquet")
    snapshot = TableStore("atlas.parquet", SnapshotFile(tmp_path / "atlas.parquet"))
    ids = [*VERDICTS, "x/vague", "x/absent"]
    documents = [audit_models(each, ids, AuditOptions()).document() for each in (local_store, snapshot)]
    assert documents[0] == documents[1]
    for name in (META, "b/Llama-3-leaf", "m/below", "x/absent"):
        ways = [lineage(each, name, depth=0) for each in (local_store, snapshot)]
        assert ways[0].rows() == ways[1].rows()
        bills = [collect_contents(each, name) for each in (local_store, snapshot)]
        left, right = ({key: _plain(asdict(entry)) for key, entry in each.models.items()} for each in bills)
        assert left == right
        assert bills[0].parents == bills[1].parents
    stored = StoredRepositories(local_store)
    assert sorted(stored.children([META])) == sorted(snapshot.repositories.children([META]))
    assert stored.newest() == snapshot.repositories.newest()
    assert {each.id for each in named_models(stored)} == {each.id for each in named_models(snapshot.repositories)}
    assert stored.find(RecordKind.MODEL, ["m/merge"])["m/merge"].data == []
    assert {each["id"] for each in stored.find(RecordKind.MODEL, ["m/merge"])["m/merge"].parents} == {"p/mit", "p/nc"}


def test_verdicts_without_an_engine() -> None:
    store = kept_store(ROWS)
    report = audit_models(store, list(VERDICTS), AuditOptions())
    worst = {row["model"]: row["verdict"] for row in reversed(report.findings)}
    for name, verdict in VERDICTS.items():
        if verdict in ("violation", "needs_review"):
            assert worst[name] == verdict, name
    assert report.models == len(VERDICTS)


def test_what_it_does_not_answer_and_what_is_not_there() -> None:
    store = kept_store([model("a/b", tags=["license:mit"])])
    with pytest.raises(UsageError, match="does not answer this"):
        store.read(count_nodes("Model"))
    with pytest.raises(UsageError, match="does not answer this"):
        store.run_user_query("MATCH (n) RETURN n", {})
    with pytest.raises(WriteRefusedError, match="can only be read"):
        store.write(lambda tx: None)
    with pytest.raises(ModelNotFoundError, match=r"Did you mean a/b"):
        audit_models(store, ["a/bb"], AuditOptions())
    with pytest.raises(EmptyStoreError):
        audit_models(TableStore("none", KeptRepositories()), ["a/b"], AuditOptions())
