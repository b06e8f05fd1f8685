"""Tests of `atlas_db/licenses/write_findings.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.claims.runs import list_runs, rollback
from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.rules import ORDER
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.lineage.traversal import ancestors
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement
from cypher.query_library import find_query
from tests.support.graphs import child, load_rows, model
from tests.support.license_hub import EDGES, META, ROWS, VERDICTS

_EDGES = Statement(
    "MATCH (m:Model)-[f:CONFLICTS_WITH]->(a) RETURN m.id AS m, a.id AS a, f.rule AS rule, f.verdict AS verdict, "
    "f.hops AS hops, f.clause AS clause, f.run_id AS run_id, f.profile AS profile"
)


_MODELS = Statement(
    "MATCH (m:Model) RETURN m.id AS id, m.audit_verdict AS verdict, m.audit_findings AS n, m.audit_run_id AS run"
)


def edges(store: Store) -> set[tuple[str, str, str, str]]:
    return {(row["m"], row["a"], row["rule"], row["verdict"]) for row in store.read(_EDGES)}


def by_cypher(store: Store, identifier: str) -> str:
    _, rows = store.run_user_query(find_query("verdict").text, {"model": identifier})
    return max((Verdict(row["verdict"]) for row in rows), key=ORDER.__getitem__).value


def test_the_whole_atlas(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    report = audit_and_write(store, tmp_path, AuditOptions(), 5)
    rows = {row["id"]: row for row in store.read(_MODELS)}
    assert {name: row["verdict"] for name, row in rows.items()} == VERDICTS
    assert edges(store) == EDGES
    assert len(store.read(_EDGES)) == len(EDGES)
    assert {row["run"] for row in rows.values()} == {report.run_id}
    assert {name: row["n"] for name, row in rows.items()} == {
        name: sum(edge[0] == name for edge in EDGES) for name in VERDICTS
    }
    found = {(row["m"], row["a"]): row for row in store.read(_EDGES)}
    leaf = found["b/Llama-3-leaf", META]
    assert (leaf["hops"], leaf["profile"], leaf["run_id"]) == (2, "default", report.run_id)
    assert "section 1.b.i" in leaf["clause"]
    assert dict(report.verdicts) == {v: list(VERDICTS.values()).count(v) for v in set(VERDICTS.values())}
    (run,) = [run for run in list_runs(store) if run["kind"] == "audit"]
    assert (run["complete"], run["parameters"]["rules_version"]) == (True, report.rules_version)

    assert {name: by_cypher(store, name) for name in VERDICTS} == VERDICTS
    # The rulings alone say the same of each pair of models, but for what only an audit looks at: names.
    for name in VERDICTS:
        for ancestor in ancestors(store, name):
            _, rows = store.run_user_query(find_query("ruling").text, {"model": name, "ancestor": ancestor})
            found = {v for m, a, rule, v in EDGES if (m, a) == (name, ancestor) and not rule.startswith("name-")}
            observed = {row["verdict"] for row in rows}
            assert observed == found if found else not observed & {"needs_review", "violation"}, (name, ancestor)


def test_audit_query_and_single_audits_agree_on_parents_that_are_not_surely_known(store: Store, tmp_path: Path) -> None:
    mit = ["license:mit"]
    path = {"_name_or_path": "/data/llama"}
    rows = [
        model("v/river-7b", tags=mit), model("w/river-7b", tags=mit),
        child("x/vague", "finetune:river-7b", tags=mit), child("x/below", "finetune:x/vague", tags=mit),
        child("x/both", "finetune:v/river-7b", "finetune:river-7b", tags=mit),
        model("x/path", tags=mit, config=path), child("x/known", "finetune:w/river-7b", tags=mit, config=path),
        child("x/written", "finetune:w/river-7b", "finetune:/data/llama", tags=mit),
    ]  # fmt: skip
    load_rows(store, tmp_path, rows)
    audit_and_write(store, tmp_path, AuditOptions(), 5)
    whole = {row["id"]: row["verdict"] for row in store.read(_MODELS)}
    for name in (row["id"] for row in rows):
        (alone,) = audit_models(store, [name], AuditOptions()).verdicts
        assert (alone, by_cypher(store, name)) == (whole[name], whole[name]), name
    assert {name for name, verdict in whole.items() if verdict == "unknown" and name.startswith("x/")} == {
        "x/vague", "x/below", "x/path", "x/written",
    }  # fmt: skip


def test_again_and_back(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    first = audit_and_write(store, tmp_path, AuditOptions(), 500)
    second = audit_and_write(store, tmp_path, AuditOptions("strict"), 500)
    assert second.run_id != first.run_id
    assert {row["profile"] for row in store.read(_EDGES)} == {"strict"}
    assert ("l/lora", "p/nc", "non-commercial-lost", "violation") in edges(store)
    rollback(store, second.run_id, tmp_path, 500)
    assert edges(store) == set()
    assert {row["verdict"] for row in store.read(_MODELS)} == {None}
    # A load after an audit keeps what the audit said.
    third = audit_and_write(store, tmp_path, AuditOptions(), 500)
    load_rows(store, tmp_path, [model("p/mit", downloads=77, tags=["license:mit"])], as_of="2024-08-01")
    assert {row["run"] for row in store.read(_MODELS)} == {third.run_id}
    assert edges(store) == EDGES


def test_an_audit_that_was_broken_off_is_made_good_by_the_next(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)

    def broken(stage: str, *_: int) -> None:
        if stage == "write":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit_and_write(store, tmp_path, AuditOptions("strict"), 500, broken)
    assert edges(store) == set()
    report = audit_and_write(store, tmp_path, AuditOptions(), 500)
    assert edges(store) == EDGES
    assert {row["run"] for row in store.read(_MODELS)} == {report.run_id}
    assert [run["complete"] for run in list_runs(store) if run["kind"] == "audit"] == [True, False]
