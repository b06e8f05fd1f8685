"""Tests of `atlas_db/core/schema.py`."""

from __future__ import annotations

from atlas_db.core.schema import markdown
from tests.support.paths import ROOT


def test_schema_page_is_fresh() -> None:
    assert (ROOT / "SCHEMA.md").read_text(encoding="utf-8") == markdown(), "run: atlas-db schema --markdown > SCHEMA.md"
