"""Tests of `atlas_db/licenses/card_model.py`."""

from __future__ import annotations

from pathlib import Path

from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.licenses.card_model import read_card_model
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows
from tests.support.license_hub import META, ROWS


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
    assert ("non-commercial-lost", "datasets/data/nc", "needs_review") in found
    assert ("name-llama3", META, "needs_review") in found
    # A folder shows its files: this one has no licence text.
    assert any(row["rule"] == "file-text" for row in report.findings)
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: Meta-Llama-3-8B\n---\n")
    report = audit_models(store, [], AuditOptions(), [read_card_model(folder / "README.md")])
    assert {row["ancestor"] for row in report.findings if row["verdict"] == "violation"} == {META}
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: nc\n---\n")
    assert audit_models(store, [], AuditOptions(), [read_card_model(folder)]).missing == ["nc"]
