"""Two commands at once on one store: one waits for the other, and both do their work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.store.connect import open_store
from tests.support.command import ATLAS, environment
from tests.support.graphs import child, model, write_rows
from tests.support.waiting import COUNT


@pytest.mark.engine
@pytest.mark.slow
def test_two_first_loads_at_once_both_come_through(own_engine: Settings, tmp_path: Path) -> None:
    """Engine, schema and statistics do not exist yet: each is made once, and nothing of either list is lost."""
    lists = [
        write_rows(tmp_path / f"{name}.jsonl", [model(f"{name}/base"), *(child(f"{name}/m{n}", f"{name}/base") for n in range(300))])
        for name in ("one", "two")
    ]  # fmt: skip
    env = environment(tmp_path, ATLAS_DB_STORE=own_engine.store, ATLAS_DB_HEAP=own_engine.heap)
    both = [
        subprocess.Popen([*ATLAS, "load", path], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for path in lists
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    with open_store(own_engine) as store:
        assert store.read(COUNT) == [{"n": 602}]
