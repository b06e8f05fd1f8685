"""Tests of `atlas_db/cli/demo.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import run, run_json


def test_demo_holds_everything_it_promises(demo: Path) -> None:
    relations = {row["relation"] for row in run_json(demo, "query", "edge_counts")}
    assert relations == {"finetune", "adapter", "quantized", "merge", "duplicate"}
    resolutions = {row["resolution"] for row in run_json(demo, "query", "resolutions")}
    assert {"exact", "renamed", "absent", "self_loop", "cycle"} <= resolutions
    assert run_json(demo, "query", "license_changes")
    assert run_json(demo, "status")["nodes"]["Model"] > 300
    text = run(demo, "demo").stdout
    assert "Try next:" in text
    assert text.count("\tkept\t") == 6
    statuses = {row["status"] for row in run_json(demo, "query", "edge_counts")}
    assert statuses == {"declared", "verified", "undeclared", "contradicted"}
