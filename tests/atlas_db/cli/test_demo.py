"""Tests of `atlas_db/cli/demo.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import ask, run


def test_demo_holds_everything_it_promises(demo: Path) -> None:
    relations = {row["relation"] for row in ask(demo, "query", "edge_counts")}
    assert relations == {"finetune", "adapter", "quantized", "merge", "duplicate"}
    resolutions = {row["resolution"] for row in ask(demo, "query", "resolutions")}
    assert {"exact", "renamed", "absent", "self_loop", "cycle"} <= resolutions
    assert ask(demo, "query", "license_changes")
    assert ask(demo, "status")["nodes"]["Model"] > 300
    text = run(demo, "demo").stdout
    assert "Try next:" in text
    assert text.count(" kept ") == 6
    statuses = {row["status"] for row in ask(demo, "query", "edge_counts")}
    assert statuses == {"declared", "verified", "undeclared", "contradicted"}
