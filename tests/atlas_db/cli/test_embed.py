"""Tests of `atlas_db/cli/embed.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import run, run_json
from tests.support.graphs import write_rows
from tests.support.hubs import made_up
from tests.support.sentence_model import sentence_model


@pytest.mark.train
@pytest.mark.engine
def test_cards_are_read_by_a_sentence_model(tmp_path: Path) -> None:
    rows = [{"id": row["id"], "info": row, "card": f"---\n---\nOf herons and iron, {row['id']}"} for row in made_up(3)]
    run(tmp_path, "load", "--no-statistics", write_rows(tmp_path / "hub.jsonl", rows))
    assert "holds no sentence-transformers model" in run(tmp_path, "embed", "nowhere", code=3).stderr
    reader = sentence_model(tmp_path / "reader", seed=1)
    assert run_json(tmp_path, "embed", str(reader)) == {"models": 11, "read": 11, "kept": 0}
