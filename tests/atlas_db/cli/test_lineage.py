"""Tests of `atlas_db/cli/lineage.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import run, run_json


def test_lineage(demo: Path) -> None:
    found = run_json(demo, "lineage", "mistralai/Mistral-7B-v0.1")
    assert found["counts"]["children"] == sum(found["counts"]["children_by_relation"].values())
    text = run(demo, "lineage", "mistralai/Mistral-7B-v0.1").stdout
    assert "was made into" in text
    assert "+" in text and "finetune" in text
    error = run(demo, "lineage", "mistralai/Mistral-7B-v0.3", code=3).stderr
    assert "Did you mean" in error
    assert "mistralai/Mistral-7B-v0.1" in error
