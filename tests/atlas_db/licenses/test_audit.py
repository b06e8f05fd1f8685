"""Tests of `atlas_db/licenses/audit.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import ModelNotFoundError
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows
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
