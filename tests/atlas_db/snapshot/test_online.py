"""Parents that the Hub is requested: levels up to the roots, renamed ones, and those it has no record of."""

from __future__ import annotations

import json

import pytest

from atlas_db.core.errors import RecordError
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind, Resolution
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.snapshot import online
from atlas_db.snapshot.repositories import KeptRepositories
from atlas_db.snapshot.table_store import TableStore
from ingest.hub.decode import decode_record
from tests.support.graphs import child, model
from tests.support.kept import answered

CHAIN = [
    child("a/leaf", "quantized:a/mid", tags=["license:mit", "dataset:d/d"]),
    child("a/mid", "finetune:a/root", "finetune:a/gone", tags=["license:mit"]),
    model("a/root", tags=["license:cc-by-nc-4.0"]),
    {"id": "d/d", "tags": ["license:mit"], "citation": "", "description": "", "author": "d"},
]


def test_all_levels_are_asked_for_once() -> None:
    found = answered(CHAIN, "a/leaf")
    assert sorted(found.found) == ["a/leaf", "a/mid", "a/root", "datasets/d/d"]
    assert found.missing == ["a/gone"]
    report = audit_models(TableStore("online", found.repositories), ["a/leaf"], AuditOptions())
    assert {row["ancestor"] for row in report.findings if row["verdict"] == "violation"} == {"a/root"}
    assert report.not_in_atlas == ["a/gone"]
    assert report.newest is not None
    assert report.newest.models == "2026-11-29"


def test_what_the_atlas_knows_is_not_asked_for() -> None:
    base = answered(CHAIN[1:3], "a/mid").repositories
    found = answered(CHAIN, "a/leaf", base=base)
    assert "a/mid" not in found.found
    assert "a/root" not in found.found
    assert found.repositories.find(RecordKind.MODEL, ["a/leaf"])["a/leaf"].parents[0]["id"] == "a/mid"


def test_a_name_without_owner_is_not_asked_for_and_stays_unresolved() -> None:
    found = answered([child("a/leaf", "finetune:tern", tags=["license:mit"])], "a/leaf")
    assert (found.found, found.missing) == (["a/leaf"], [])
    (mention,) = found.repositories.find(RecordKind.MODEL, ["a/leaf"])["a/leaf"].mentions
    assert mention["resolution"] == Resolution.ABSENT


def test_a_record_that_cannot_be_read_ends_no_search() -> None:
    def request(kind: RecordKind, name: str) -> HubRecord | None:
        if name == "a/mid":
            raise RecordError("its id is no id", code="bad_id")
        return decode_record(json.dumps(CHAIN[0]).encode()) if name == "a/leaf" else None

    found = online.complete_lineage(KeptRepositories(), ["a/mid", "a/leaf"], [], request, "2026-11-29")
    assert (found.found, found.unread) == (["a/leaf"], {"a/mid": "its id is no id"})
    assert "cannot be read: a/mid (its id is no id)" in found.words()
    assert found.repositories.find(RecordKind.MODEL, ["a/mid"])["a/mid"].placeholder


def test_endless_lineages_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "MAX_REQUESTS", 5)
    chain = [child(f"a/m{n}", f"finetune:a/m{n + 1}", tags=["license:mit"]) for n in range(9)]
    found = answered(chain, "a/m0")
    assert len(found.found) == 5
    assert found.unrequested == 1
    assert "1 were not requested" in found.words()


def test_circles_end() -> None:
    rows = [child("a/x", "finetune:a/y", tags=["license:mit"]), child("a/y", "finetune:a/x", tags=["license:mit"])]
    assert sorted(answered(rows, "a/x").found) == ["a/x", "a/y"]
