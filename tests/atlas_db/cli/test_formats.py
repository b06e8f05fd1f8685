"""Tests of `atlas_db/cli/formats.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import run, run_json


def test_formats_are_listed(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in run_json(tmp_path, "formats")}
    assert rows["GGUF"]["places"] == "disk, Hub"
    assert rows["OpenVINO"]["verdict"] == "refused by name"
    assert "GPTQ, AWQ" in run(tmp_path, "formats", "--format", "quiet").stdout
