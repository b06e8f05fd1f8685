"""Local engines: connect to the running one or start it, stop it, report its state."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from atlas_db.core.errors import StoreLockedError, StoreRefusedError, StoreUnavailableError
from atlas_db.core.files import make_private_folder
from atlas_db.core.locks import PRIVATE_MODE, is_locked
from atlas_db.store.bolt import Store
from atlas_db.store.bulk.first_load import is_cut_off
from atlas_db.store.bulk.graph_batch import BatchEndpoint
from atlas_db.store.bulk.offline_import import OfflineEndpoint
from atlas_db.store.engine_users import read_or_make_secret
from atlas_db.store.engines import ENGINES, Engine, Launch
from atlas_db.store.neo4j_version import read_version
from atlas_db.store.supervisor import (
    OWNER_LOCK,
    STOP_SECONDS,
    has_clients,
    register_client,
    release_client,
)

START_SECONDS = {"local": 90.0, "neo4j-local": 900.0}
RETRY_SECONDS = 5.0
"""A local engine that stopped gets another port when it starts again, so long retries of a connection are futile."""
LOW_DISK = 32 * 2**20
POLL_SECONDS = 0.1
LOG_FILE = "engine.log"
LOG_TAIL = 65536
"""Bytes at the end of the log in which an error is looked for."""
_CONCEALED = re.compile(r"BOLT: (.+) \(concealed from the client|BOLT query error\n[\w.]*?\w+(?:Exception|Error): (.+)")
STARTS = 3
"""Attempts to start an engine; one can fail because its port was taken in between."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """State of a local engine.

    Attributes:
        engine: Name of the engine.
        version: Version of Neo4j that last ran; empty for an engine that has only one, and before the first start.
        directory: Data directory.
        running: True where it runs.
        port: Bolt port on 127.0.0.1; 0 where it does not run.
        pid: Process id of its supervisor; 0 where it does not run.
        bytes_on_disk: Size of the data directory.
    """

    engine: str
    version: str
    directory: Path
    running: bool
    port: int
    pid: int
    bytes_on_disk: int


def open_local(
    engine: Engine, directory: Path, *, heap: str, idle_minutes: float, cache: Path, version: str = ""
) -> Store:
    """Return a connection to the engine of a data directory, starting it where needed.

    Args:
        engine: The engine.
        directory: Data directory.
        heap: Memory ceiling, in Java's notation.
        idle_minutes: The engine stops after so many minutes without a client.
        cache: Folder of downloaded engines.
        version: Version of Neo4j that the user requested; empty for the default.

    Raises:
        UsageError: The version is none that can run.
        StoreUnavailableError: The directory, the Java runtime or the port is not usable.
        StoreLockedError: The directory holds another engine's data, or those of a newer version, or runs with another.
    """
    _prepare_directory(engine, directory)
    _stop_after_cut_off(engine, directory)
    with ExitStack() as unless_open:
        # Registered before the engine starts: it must not stop as idle while this client waits for it.
        client = register_client(directory)
        unless_open.callback(release_client, client)
        chosen = _choose_version(engine, directory, version)
        start = partial(_connect, engine, directory, [heap, str(idle_minutes), str(cache), chosen])
        store = start()
        if engine.imports_offline:
            store.offline = OfflineEndpoint(
                Launch(directory, "", heap, 0, 0, cache, chosen), lambda: not has_clients(directory, own=client),
                partial(stop_engine, directory), start,
            )  # fmt: skip
        store.on_close(unless_open.pop_all().close)
    return store


def _stop_after_cut_off(engine: Engine, directory: Path) -> None:
    """Stop the engine of a first load that was cut off, once it runs: its next start removes what that load left."""
    deadline = time.monotonic() + START_SECONDS[engine.name]
    while is_cut_off(directory) and is_owned(directory) and time.monotonic() < deadline:
        if not stop_engine(directory):
            time.sleep(POLL_SECONDS)


def _choose_version(engine: Engine, directory: Path, requested: str) -> str:
    chosen = engine.version(requested, directory)
    running = str((read_state(directory) or {}).get("version", ""))
    if requested and running and chosen != running:
        raise StoreLockedError(
            f"Neo4j {running} runs on {directory}, not {chosen}",
            hint=f"Stop it with atlas-db store stop --store {engine.name}:{directory}, then run the same command again",
        )
    return chosen


def _prepare_directory(engine: Engine, directory: Path) -> None:
    try:
        # A folder that holds something already may be there for others, too: only what we make in it is closed.
        if not (directory.is_dir() and any(directory.iterdir())):
            make_private_folder(directory)
        read_or_make_secret(directory)
    except OSError as error:
        raise StoreUnavailableError(
            f"the data directory {directory} is not usable ({error.strerror})",
            hint="Give another with --store local:DIR or ATLAS_DB_HOME",
        ) from error
    for other in ENGINES.values():
        folder = {"local": "arcadedb", "neo4j-local": "neo4j"}[other.name]
        if other is not engine and (directory / folder).exists():
            raise StoreLockedError(
                f"{directory} holds a {other.name} store", hint=f"Use --store {other.name}:{directory}"
            )


def _connect(engine: Engine, directory: Path, arguments: list[str]) -> Store:
    deadline = time.monotonic() + START_SECONDS[engine.name]
    starts = 0
    while time.monotonic() < deadline:
        if (state := read_state(directory)) is not None:
            store = _try_store(engine, directory, state)
            if store is not None:
                return store
        elif not is_owned(directory):
            _raise_failure(directory)
            if starts == STARTS:
                break
            starts += 1
            _start_supervisor(engine, directory, arguments)
        time.sleep(POLL_SECONDS)
    raise StoreUnavailableError(
        f"the {engine.name} engine did not come up: {_log_tail(directory)}",
        hint=f"See {directory / LOG_FILE}; give another directory with --store {engine.name}:DIR",
    )


def _diagnose_disk(directory: Path) -> str:
    """Return a note where the disk is nearly full: engines report only that a request failed."""
    free = shutil.disk_usage(directory).free
    return f"only {free // 2**20} MiB are free under {directory}" if free < LOW_DISK else ""


def _try_store(engine: Engine, directory: Path, state: Mapping[str, object]) -> Store | None:
    users = engine.users(read_or_make_secret(directory))
    store = Store(
        f"bolt://127.0.0.1:{state['port']}",
        user=users.owner.name,
        password=users.owner.password,
        reader=users.reader,
        database=engine.database,
        diagnose=lambda: _diagnose_disk(directory),
        logged_error=lambda: logged_error(directory),
        retry_seconds=RETRY_SECONDS,
    )
    if engine.takes_batches and "spare_port" in state:
        store.batches = BatchEndpoint(directory, int(str(state["spare_port"])), *users.owner, engine.database)
    try:
        store.ping()
    except (StoreUnavailableError, StoreRefusedError) as error:
        store.close()
        if isinstance(error, StoreRefusedError) and "Unauthorized" in error.code:
            raise StoreUnavailableError(
                f"the engine of {directory} does not accept the password in {directory / 'secret'}",
                hint="It was changed. The engine reads it when it starts: "
                f"atlas-db store stop --store {engine.name}:{directory}, then run this again",
            ) from error
        return None
    return store


def _start_supervisor(engine: Engine, directory: Path, arguments: list[str]) -> None:
    with (directory / LOG_FILE).open("wb") as log:
        os.fchmod(log.fileno(), PRIVATE_MODE)
        subprocess.run(
            [sys.executable, "-m", "atlas_db.store.supervisor", str(directory), engine.name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            check=False,
        )


def logged_error(directory: Path) -> str:
    """Return the newest error of a statement in the engine's log, which ArcadeDB conceals from clients; else empty."""
    try:
        with (directory / LOG_FILE).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    found = _CONCEALED.findall(text)
    return next(part for part in found[-1] if part) if found else ""


def _raise_failure(directory: Path) -> None:
    try:
        failure = json.loads((directory / "failure.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    (directory / "failure.json").unlink()
    raise StoreUnavailableError(failure["message"], hint=failure["hint"])


def _log_tail(directory: Path) -> str:
    try:
        lines = (directory / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "no log was written"
    errors = [line for line in lines if "Exception" in line or "rror" in line or "already in use" in line]
    return (errors or lines or ["it wrote nothing"])[-1].strip()[:300]


def read_state(directory: Path) -> dict[str, object] | None:
    """Return the state file of a directory's supervisor, or None where no supervisor runs."""
    try:
        state = json.loads((directory / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if is_owned(directory) and isinstance(state, dict) else None


def is_owned(directory: Path) -> bool:
    """Return whether a supervisor owns the directory."""
    return is_locked(directory / OWNER_LOCK)


def engine_status(engine: Engine, directory: Path) -> EngineStatus:
    """Return the state of the engine of a directory."""
    state = read_state(directory) or {}
    size = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) if directory.is_dir() else 0
    return EngineStatus(
        engine.name,
        read_version(directory),
        directory,
        bool(state),
        int(str(state.get("port", 0))),
        int(str(state.get("pid", 0))),
        size,
    )


def stop_engine(directory: Path) -> bool:
    """Stop the engine of a directory and wait until it is gone. Returns False where none ran.

    Raises:
        StoreUnavailableError: It did not stop in time.
    """
    state = read_state(directory)
    if state is None:
        return False
    os.kill(int(str(state["pid"])), signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 5
    while time.monotonic() < deadline:
        if not is_owned(directory):
            return True
        time.sleep(POLL_SECONDS)
    raise StoreUnavailableError(f"the engine of {directory} does not stop", hint=f"End process {state['pid']} by hand")
