"""Tests of `atlas_db/cli/schema.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import run, run_json
from tests.support.paths import ROOT


def test_schema(tmp_path: Path) -> None:
    assert run(tmp_path, "schema", "--markdown").stdout == (ROOT / "SCHEMA.md").read_text()
    assert run_json(tmp_path, "schema")["version"] == 3
