"""A hub whose statistics are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.dashboard.aggregates import Bundle, build_bundle
from atlas_db.licenses.audit import AuditOptions
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.dashboard_hub import ROWS
from tests.support.graphs import write_rows


@pytest.fixture
def counted(store: Store, tmp_path: Path) -> Bundle:
    write_rows(tmp_path / "rows.jsonl", ROWS)
    load(store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    audit_and_write(store, tmp_path, AuditOptions(), 5000)
    return build_bundle(store, tmp_path)
