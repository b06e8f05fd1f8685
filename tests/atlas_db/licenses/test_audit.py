"""Tests of `atlas_db/licenses/audit.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import IncompleteAuditError, ModelNotFoundError
from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.store.bolt import Store
from tests.support.graphs import child, load_rows, model
from tests.support.license_hub import META, ROWS, VERDICTS


def test_single_models_have_the_verdicts_of_the_whole_atlas(store: Store, tmp_path: Path) -> None:
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


def test_each_unknown_model_counts_under_one_state(store: Store, tmp_path: Path) -> None:
    rows = [
        model("p/silent"), model("p/odd", tags=["license:made-up-1.0"]),
        child("c/gone", "finetune:p/gone", tags=["license:mit"]),
        child("c/silent", "finetune:p/silent", "finetune:p/gone", tags=["license:mit"]),
        model("c/data", tags=["license:mit", "dataset:d/gone", "dataset:d/silent"]),
        model("c/own", tags=["license:mit", "dataset:c/own"]),
        model("x/river-7b", tags=["license:mit"]), model("y/river-7b", tags=["license:mit"]),
        child("c/vague", "finetune:river-7b", tags=["license:mit"]),
        child("c/below", "finetune:c/vague", tags=["license:mit"]),
        {"id": "d/silent", "tags": [], "citation": "", "description": "", "author": "d"},
    ]  # fmt: skip
    load_rows(store, tmp_path, rows)
    single = audit_models(store, [row["id"] for row in rows[:-1]], AuditOptions())
    whole = audit_and_write(store, tmp_path, AuditOptions(), 1000)
    for report in (single, whole):
        counts = report.counts()
        assert counts["unknown_by_cause"] == {
            "own_license.states_none": 1, "own_license.unreadable": 1, "upstream.not_in_atlas": 1,
            "upstream.states_none": 1, "training_data.states_none": 1, "training_data.not_in_atlas": 1,
            "upstream.unresolved": 2,
        }  # fmt: skip
        assert counts["unknown_by_state"] == {"states_none": 3, "unreadable": 1, "not_in_atlas": 2, "unresolved": 2}
        assert [counts["unknown"][cause] for cause in ("own_license", "upstream", "training_data")] == [2, 4, 2]
        assert sum(counts["unknown_by_state"].values()) == counts["verdicts"]["unknown"] == 8
        assert [(each.model, each.mention) for each in report.unresolved] == [("c/vague", "river-7b")]
        assert counts["not_in_atlas"] == {"models": 1, "datasets": 2}
        assert sorted(report.not_in_atlas) == ["datasets/c/own", "datasets/d/gone", "p/gone"]
    clauses = {row["ancestor"]: row["clause"] for row in single.findings if row["finding"] == "not_in_atlas"}
    assert clauses.keys() == {"p/gone", "datasets/d/gone", "datasets/c/own"}
    assert "newest record 2024-01-01" in clauses["p/gone"]
    assert all("fetch or load" in clause and "copyright" not in clause for clause in clauses.values())
    states = {row["ancestor"]: row["license_state"] for row in single.findings if row["ancestor"]}
    assert states["p/gone"] == "not_in_atlas"
    assert states["p/silent"] == states["datasets/d/silent"] == "states_none"


def test_gaps_are_what_could_hide_a_finding(store: Store, tmp_path: Path) -> None:
    rows = [
        child("c/gone", "finetune:p/gone", tags=["license:mit"]),
        model("c/data", tags=["license:mit", "dataset:d/d"]),
    ]
    load_rows(store, tmp_path, rows)
    gone, data = (audit_models(store, [name], AuditOptions()) for name in ("c/gone", "c/data"))
    assert [bool(gone.gaps(verdict)) for verdict in (Verdict.UNKNOWN, Verdict.REVIEW, Verdict.VIOLATION)] == [True] * 3
    # Training data leads to a question for review at most, so it cannot hide a violation.
    assert [bool(data.gaps(verdict)) for verdict in (Verdict.REVIEW, Verdict.VIOLATION)] == [True, False]
    strict = audit_models(store, ["c/data"], AuditOptions("strict"))
    with pytest.raises(IncompleteAuditError, match=r"no record of any dataset\): datasets/d/d"):
        strict.require_complete(Verdict.VIOLATION)
    data.require_complete(Verdict.VIOLATION)
    file = tmp_path / "accepted.toml"
    file.write_text('[[suppress]]\nmodel = "c/data"\nancestor = "d/d"\nreason = "seen"\nexpires = 2999-01-01\n')
    assert audit_models(store, ["c/data"], AuditOptions("strict", suppressions=file)).gaps(Verdict.VIOLATION)
    file.write_text(file.read_text().replace('"d/d"', '"datasets/d/d"'))
    assert not audit_models(store, ["c/data"], AuditOptions("strict", suppressions=file)).gaps(Verdict.VIOLATION)
