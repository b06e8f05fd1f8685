"""Tests of `atlas_db/snapshot/whole_audit.py`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from atlas_db.core.settings import Settings
from atlas_db.licenses.audit import AuditOptions
from atlas_db.snapshot.opening import open_atlas
from atlas_db.snapshot.repositories import named_models
from atlas_db.snapshot.snapshot_file import closure, write_repositories
from atlas_db.snapshot.whole_audit import audit_atlas
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows
from tests.support.kept import answered
from tests.support.license_hub import ROWS

ACYCLIC = [row for row in ROWS if not row["id"].startswith("o/")]
"""Which edge of a cycle counts depends on the order of loading."""
WRITTEN = "MATCH (m:Model) WHERE m.audit_verdict IS NOT NULL RETURN count(m) AS models"


def test_a_store_is_written_and_a_snapshot_is_not(local_store: Store, local_settings: Settings, tmp_path: Path) -> None:
    load_rows(local_store, tmp_path, ACYCLIC)
    place, file = answered(ACYCLIC).repositories, tmp_path / "atlas.parquet"
    write_repositories(closure(place, [each.id for each in named_models(place)]), place.newest(), file)
    home = tmp_path / "never"
    snapshot = replace(local_settings, store=str(file), home=home)
    with open_atlas(snapshot) as opened:
        read = audit_atlas(opened, snapshot, AuditOptions())
    assert not home.exists()
    assert local_store.run_user_query(WRITTEN, {})[1] == [{"models": 0}]
    written = audit_atlas(local_store, replace(local_settings, home=home), AuditOptions())
    assert local_store.run_user_query(WRITTEN, {})[1] == [{"models": len(ACYCLIC) - 1}], "a row is a dataset"
    assert home.stat().st_mode & 0o777 == 0o700
    assert read.verdicts == written.verdicts
    assert written.run_id
    assert not read.run_id
