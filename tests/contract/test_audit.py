"""The audit on both engines: what it writes, that Cypher says the same, that it can be repeated and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import ModelNotFoundError
from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.card_model import read_card_model
from atlas_db.licenses.rules import ORDER
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.lineage.traversal import ancestors
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement
from cypher.query_library import find_query
from ingest.load.runs import list_runs, rollback
from tests.support.graphs import child, load_rows, model

META = "meta-llama/Meta-Llama-3-8B"
ROWS = [
    model(META, tags=["license:llama3"], downloads=900_000),
    child("a/Llama-3-mid", f"finetune:{META}", tags=["license:apache-2.0"]),
    child("b/Llama-3-leaf", "finetune:a/Llama-3-mid", tags=["license:apache-2.0"]),
    child("b/Llama-3-kept-GGUF", f"quantized:{META}", tags=["license:llama3"]),
    child("b/Tuned", f"finetune:{META}", tags=["license:llama3"]),
    child("b/silent", f"finetune:{META}"),
    model("p/nc", tags=["license:cc-by-nc-4.0"]), model("p/mit", tags=["license:mit"]), model("p/none"),
    child("m/merge", "merge:p/nc", "merge:p/mit", tags=["license:apache-2.0"]),
    child("m/below", "quantized:m/merge", tags=["license:mit"]),
    child("l/lora", "adapter:p/nc", tags=["license:mit"]),
    child("n/fine", "finetune:p/mit", tags=["license:cc-by-nc-4.0"]),
    child("n/quiet", "finetune:p/mit"),
    child("u/unclear", "finetune:p/none", tags=["license:mit"]),
    child("u/two", "finetune:p/nc", tags=["license:mit", "license:cc-by-nc-4.0"]),
    model("d/trained", tags=["license:mit", "dataset:data/nc"]),
    child("d/below", "finetune:d/trained", tags=["license:mit"]),
    {"id": "data/nc", "tags": ["license:cc-by-nc-4.0"], "citation": "", "description": "", "author": "data"},
    child("o/one", "finetune:o/two", tags=["license:mit"], createdAt="2024-02-01T00:00:00.000Z"),
    child("o/two", "finetune:o/one", tags=["license:mit"], createdAt="2024-02-02T00:00:00.000Z"),
]  # fmt: skip
VERDICTS = {
    META: "compliant", "a/Llama-3-mid": "violation", "b/Llama-3-leaf": "violation",
    "b/Llama-3-kept-GGUF": "compliant_with_obligations", "b/Tuned": "needs_review", "b/silent": "needs_review",
    "p/nc": "compliant", "p/mit": "compliant", "p/none": "unknown", "m/merge": "violation", "m/below": "violation",
    "l/lora": "needs_review", "n/fine": "compliant_with_obligations", "n/quiet": "needs_review",
    "u/unclear": "unknown", "u/two": "compliant_with_obligations", "d/trained": "needs_review",
    "d/below": "needs_review", "o/one": "compliant_with_obligations", "o/two": "compliant",
}  # fmt: skip
EDGES = {
    ("a/Llama-3-mid", META, "llama3-lost", "violation"), ("b/Llama-3-leaf", META, "llama3-lost", "violation"),
    ("b/Tuned", META, "name-llama3", "needs_review"), ("b/silent", META, "undeclared-child", "needs_review"),
    ("b/silent", META, "name-llama3", "needs_review"), ("m/merge", "p/nc", "non-commercial-lost", "violation"),
    ("m/below", "p/nc", "non-commercial-lost", "violation"), ("l/lora", "p/nc", "non-commercial-lost", "needs_review"),
    ("n/quiet", "p/mit", "permissive-undeclared", "needs_review"),
    ("d/trained", "data/nc", "non-commercial-lost", "needs_review"),
    ("d/below", "data/nc", "non-commercial-lost", "needs_review"),
}  # fmt: skip
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
            said = {row["verdict"] for row in rows}
            assert said == found if found else not said & {"needs_review", "violation"}, (name, ancestor)


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


def test_single_models_say_what_the_atlas_says(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    for name, verdict in VERDICTS.items():
        report = audit_models(store, [name], AuditOptions())
        assert dict(report.verdicts) == {verdict: 1}, name
    report = audit_models(store, ["b/Llama-3-leaf", "not/there"], AuditOptions())
    assert report.missing == ["not/there"]
    row: dict[str, Any] = next(row for row in report.findings if row["rule"] == "llama3-lost")
    assert [(step["model"], step["relation"]) for step in row["path"]] == [
        ("a/Llama-3-mid", "finetune"), (META, "finetune"),
    ]  # fmt: skip
    with pytest.raises(ModelNotFoundError, match="Did you mean|there is no model"):
        audit_models(store, ["b/Llama-3-leef"], AuditOptions())


def test_a_model_that_is_not_in_the_atlas(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, ROWS)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\nbase_model: a/Llama-3-mid\nbase_model_relation: finetune\ndatasets: [data/nc]\n---\nHi"
    )
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder)])
    found = {(row["rule"], row["ancestor"], row["verdict"]) for row in report.findings}
    assert ("llama3-lost", META, "violation") in found
    assert ("non-commercial-lost", "data/nc", "needs_review") in found
    assert ("name-llama3", META, "needs_review") in found
    # A folder shows its files: this one has no licence text.
    assert any(row["rule"] == "file-text" for row in report.findings)
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: Meta-Llama-3-8B\n---\n")
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder / "README.md")])
    assert {row["ancestor"] for row in report.findings if row["verdict"] == "violation"} == {META}
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: nc\n---\n")
    assert audit_models(store, [], AuditOptions(), [read_card_model(folder)]).missing == ["nc"]
