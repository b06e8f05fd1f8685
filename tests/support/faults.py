"""Kills inside a stage: after its first write, and before its last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from atlas_db.core.errors import StoreError
from atlas_db.core.settings import Settings
from atlas_db.export.write_export import MANIFEST
from atlas_db.store.bolt import Store
from atlas_db.store.connect import open_store
from atlas_db.store.managed_engine import is_owned, read_state
from atlas_db.store.statements import Statement
from tests.support.command import ATLAS, environment
from tests.support.waiting import wait_for

_RUNS = Statement("MATCH (r:Run) RETURN r.id AS id, r.complete AS complete")
_LINEAGE = Statement("MATCH ()-[r:DERIVED_FROM]->() RETURN count(r) AS n")
_UNDONE = (
    Statement("MATCH ()-[r:CLAIMS_PARENT]->() RETURN count(r) AS n"),
    Statement("MATCH (m:Model) RETURN count(m.audit_verdict) AS n"),
)
"""What a rollback changes first: claims of a load, verdicts of an audit."""


class Victim(StrEnum):
    """The process that is killed."""

    COMMAND = "command"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Writes:
    """The first and the last write of a stage.

    Attributes:
        progress: Returns a value that the first write changes.
        is_through: Returns whether the last write was done.
    """

    progress: Callable[[Store], object]
    is_through: Callable[[Store], bool]


def _runs(store: Store, *, complete: bool) -> set[str]:
    """Return the runs that ended, or did not: the record of a run is the first write of a stage, and its last."""
    return {row["id"] for row in store.read(_RUNS) if row["complete"] is complete}


def writes_of(stage: str, words: Sequence[str], before: Store) -> Writes:
    """Return the first and the last write of a stage.

    Args:
        stage: Its name.
        words: Its command. Of a rollback the last word is the run, whose record goes with the last write. Of an export it
            is the folder, whose manifest is the first write and the last.
        before: The store before the stage.
    """
    if stage == "export":
        manifest = Path(words[-1]) / MANIFEST
        return Writes(lambda _: _replaced(manifest), lambda _: is_complete(manifest))
    if "rollback" in words:
        return Writes(
            lambda store: [store.read(each) for each in _UNDONE],
            lambda store: words[-1] not in _runs(store, complete=True),
        )
    finished = _runs(before, complete=True)
    begun: Callable[[Store], object] = lambda store: _runs(store, complete=False)  # noqa: E731
    return Writes(
        (lambda store: store.read(_LINEAGE)) if stage == "relink" else begun,
        lambda store: not _runs(store, complete=True) <= finished,
    )


def _replaced(file: Path) -> tuple[int, int] | None:
    """Return what changes each time a file is replaced, None where there is no such file."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def is_complete(manifest: Path) -> bool:
    """Return whether a manifest lists a whole export."""
    return manifest.is_file() and json.loads(manifest.read_bytes())["complete"]


@contextmanager
def _begun(
    settings: Settings, stage: str, words: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[bytes], Store, Writes]]:
    """Start a command, and wait for its first write, or its end."""
    env = environment(
        settings.home, ATLAS_DB_STORE=settings.store, ATLAS_DB_HEAP=settings.heap, ATLAS_DB_BATCH_ROWS="50"
    )
    with open_store(settings) as store, subprocess.Popen([*ATLAS, *words], env=env, stderr=subprocess.PIPE) as process:
        writes = writes_of(stage, words, store)
        at_first = writes.progress(store)
        while process.poll() is None and writes.progress(store) == at_first:
            time.sleep(0.005)
        yield process, store, writes


def seconds_inside(settings: Settings, stage: str, words: Sequence[str]) -> float:
    """Run a stage undisturbed; return the seconds from its first write to its last."""
    with _begun(settings, stage, words) as (process, store, writes):
        began = time.monotonic()
        while process.poll() is None and not writes.is_through(store):
            time.sleep(0.005)
        seconds = time.monotonic() - began
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    return seconds


def kill_inside(
    settings: Settings, folder: Path, stage: str, words: Sequence[str], victim: Victim, delay: float
) -> bool:
    """Start a command that writes, and kill it or its engine some time after its first write.

    Args:
        settings: The local store. It runs.
        folder: Its data directory.
        stage: The stage.
        words: The command, as `writes_of` takes it.
        victim: What is killed.
        delay: Seconds after the first write.

    Returns:
        True where the kill fell before the last write.
    """
    with _begun(settings, stage, words) as (process, _, writes):
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
        return not ended and not writes.is_through(store)
