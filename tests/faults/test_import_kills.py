"""Kill -9 during a first load by Neo4j's import tool: the same command again ends in the graph of a calm load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from atlas_db.core.errors import StoreError
from atlas_db.core.settings import Settings
from atlas_db.store.bulk.first_load import IMPORT_ARGUMENTS, IMPORT_FOLDER, is_cut_off
from atlas_db.store.bulk.offline_import import LOG_FILE
from atlas_db.store.connect import open_store
from atlas_db.store.managed_engine import read_state, stop_engine
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.command import environment
from tests.support.graphs import whole, write_rows
from tests.support.hubs import BRED

_PROGRAM = (
    "from ingest.load import load_records; load_records.MIN_OFFLINE_ROWS = 0; "
    "from atlas_db.cli.main import main; main()"
)
SECONDS = 300.0
"""Seconds for which a moment is awaited."""


Command = subprocess.Popen[bytes]


def _tools(folder: Path) -> list[psutil.Process]:
    """Return the import tools that run on a data directory."""
    argument = f"@{folder / IMPORT_ARGUMENTS}"
    return [each for each in psutil.process_iter(["cmdline"]) if argument in (each.info["cmdline"] or ())]


def _writes(command: Command, folder: Path) -> bool:
    return (folder / IMPORT_FOLDER).exists()


def _imports(command: Command, folder: Path) -> bool:
    # That of a command that was killed may still run.
    return any(tool.ppid() == command.pid for tool in _tools(folder))


def _has_imported_some(command: Command, folder: Path) -> bool:
    return b"%" in (folder / LOG_FILE).read_bytes()


def _starts(command: Command, folder: Path) -> bool:
    return not (folder / IMPORT_FOLDER).exists()


def _has_started(command: Command, folder: Path) -> bool:
    return _starts(command, folder) and read_state(folder) is not None


def _kill_tool(command: Command, folder: Path) -> None:
    for tool in _tools(folder):
        tool.kill()


def _kill_command(command: Command, folder: Path) -> None:
    command.kill()


def _kill_engine(command: Command, folder: Path) -> None:
    state = read_state(folder)
    assert state is not None
    os.kill(int(str(state["java_pid"])), signal.SIGKILL)


Moments = list[Callable[[Command, Path], bool]]
KILLS: list[tuple[Moments, Callable[[Command, Path], None]]] = [
    ([_writes], _kill_command),
    ([_imports], _kill_command),
    ([_imports, _has_imported_some], _kill_command),
    ([_imports, _has_imported_some], _kill_tool),
    ([_imports, _starts], _kill_command),
    ([_imports, _has_started], _kill_command),
    ([_imports, _has_started], _kill_engine),
]
"""Moments of a load, one after another, and what is killed at the last."""


def _start(settings: Settings, path: str) -> subprocess.Popen[bytes]:
    env = environment(settings.home, ATLAS_DB_STORE=settings.store, ATLAS_DB_HEAP=settings.heap)
    words = [sys.executable, "-c", _PROGRAM, "load", "--no-statistics", path]
    return subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.engine
@pytest.mark.neo4j
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_import_killed_at_any_moment_ends_in_the_same_graph(own_neo4j: Settings, tmp_path: Path) -> None:
    path, folder = write_rows(tmp_path / "models.jsonl", BRED), tmp_path / "store"
    for moments, kill in KILLS:
        with _start(own_neo4j, path) as command:
            end = time.monotonic() + SECONDS
            for is_reached in moments:
                while not is_reached(command, folder) and command.poll() is None and time.monotonic() < end:
                    time.sleep(0.002)
            assert command.poll() is None, "it was through before"
            kill(command, folder)
            _, said = command.communicate(timeout=SECONDS)
        # An engine that dies while it starts is started again.
        expected = {
            _kill_command: [-signal.SIGKILL],
            _kill_tool: [StoreError.exit_code],
            _kill_engine: [StoreError.exit_code, 0],
        }[kill]
        assert command.returncode in expected, (moments, kill, said.decode())
        assert b"Traceback" not in said and b"has a fault" not in said, said.decode()
    with _start(own_neo4j, path) as command:
        _, said = command.communicate(timeout=SECONDS)
    assert command.returncode == 0, said.decode()
    assert not is_cut_off(folder) and not _tools(folder)
    with open_store(own_neo4j) as store:
        found = whole(store)
    calm = Settings(home=tmp_path / "calm", store=f"neo4j-local:{tmp_path / 'calm' / 'store'}", heap="1g")
    calm.home.mkdir()
    (calm.home / "cache").symlink_to(tmp_path / "cache")
    with open_store(calm) as store:
        load(store, [path], LoadOptions(calm.home))
        assert whole(store) == found
    stop_engine(tmp_path / "calm" / "store")
