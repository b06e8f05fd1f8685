"""Kills inside a stage: after its first write, and before its last."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from atlas_db.core.errors import StoreError
from atlas_db.core.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.connect import open_store
from atlas_db.store.managed_engine import is_owned, read_state
from atlas_db.store.statements import Statement
from tests.support.command import ATLAS, environment
from tests.support.waiting import wait_for

_RUNS = Statement("MATCH (r:Run) RETURN r.id AS id, r.complete AS complete")
_WRITTEN = (
    Statement("MATCH ()-[r:CLAIMS_PARENT]->() RETURN count(r) AS n"),
    Statement("MATCH (m:Model) RETURN count(m.audit_verdict) AS n"),
)
"""What a rollback changes first: claims of a load, verdicts of an audit."""


class Victim(StrEnum):
    """The process that is killed."""

    COMMAND = "command"
    ENGINE = "engine"


def _runs(store: Store, *, complete: bool) -> set[str]:
    """Return the runs that ended, or did not: the record of a run is the first write of a stage, and its last."""
    return {row["id"] for row in store.read(_RUNS) if row["complete"] is complete}


def _progress(store: Store) -> object:
    """Return a value that the first write of any stage changes."""
    return _runs(store, complete=False), [store.read(each) for each in _WRITTEN]


def kill_inside(settings: Settings, folder: Path, words: Sequence[str], victim: Victim, delay: float) -> bool:
    """Start a command that writes, and kill it or its engine some time after its first write.

    Args:
        settings: The local store. It runs.
        folder: Its data directory.
        words: The command. Of a rollback the last word is the run, whose record goes with the last write.
        victim: What is killed.
        delay: Seconds after the first write.

    Returns:
        True where the kill fell before the last write.
    """
    env = environment(
        settings.home, ATLAS_DB_STORE=settings.store, ATLAS_DB_HEAP=settings.heap, ATLAS_DB_BATCH_ROWS="50"
    )
    with open_store(settings) as store, subprocess.Popen([*ATLAS, *words], env=env, stderr=subprocess.PIPE) as process:
        finished, at_first = _runs(store, complete=True), _progress(store)
        while process.poll() is None and _progress(store) == at_first:
            time.sleep(0.005)
        time.sleep(delay)
        ended = process.poll() is not None
        state = read_state(folder)
        assert state is not None
        if victim is Victim.COMMAND:
            process.kill()
        else:
            os.kill(int(str(state["java_pid"])), signal.SIGKILL)
        _, said = process.communicate(timeout=120)
    if victim is Victim.ENGINE:
        assert ended or process.returncode in (0, StoreError.exit_code), said.decode()
        assert b"Traceback" not in said and b"has a fault" not in said, said.decode()
        wait_for(lambda: not is_owned(folder))
    with open_store(settings) as store:
        if "rollback" in words:
            return not ended and words[-1] in _runs(store, complete=True)
        return not ended and _runs(store, complete=True) <= finished
