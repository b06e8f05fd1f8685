"""Tests of `atlas_db/store/supervisor.py`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.store.connect import open_store
from atlas_db.store.managed_engine import is_owned, read_state
from atlas_db.store.statements import create_nodes
from tests.support.waiting import COUNT, wait_for


@pytest.mark.engine
@pytest.mark.slow
def test_a_killed_supervisor_leaves_no_orphan_behind(own_engine: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with open_store(own_engine) as store:
        store.write(lambda tx: tx.run_batch(create_nodes("Model"), [{"id": "a/b"}]))
        first = read_state(folder)
        assert first is not None
        os.kill(int(str(first["pid"])), signal.SIGKILL)
    wait_for(lambda: not is_owned(folder))
    with open_store(own_engine) as store:
        assert store.read(COUNT) == [{"n": 1}]
        second = read_state(folder)
        assert second is not None
        assert second["java_pid"] != first["java_pid"]
    wait_for(lambda: not Path(f"/proc/{first['java_pid']}").exists())
