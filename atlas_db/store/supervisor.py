"""The supervisor process of one local engine: it owns the data directory and runs the Java child while it is used.

Run by `managed_engine.py` as `python -m atlas_db.store.supervisor DIR ENGINE HEAP IDLE_MINUTES CACHE VERSION`.
It holds the lock `owner.lock` as long as it lives. Each client holds a lock of its own in the folder `clients`. The
operating system ends these locks when their holders die.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
from filelock import BaseFileLock

from atlas_db.core.errors import AtlasError, StoreUnavailableError
from atlas_db.core.files import write_private
from atlas_db.core.locks import try_lock
from atlas_db.store.engine_users import read_or_make_secret
from atlas_db.store.engines import ENGINES, Engine, Launch
from atlas_db.store.neo4j_version import VERSION_FILE

OWNER_LOCK = "owner.lock"
"""Lock of the supervisor, in the data directory."""
CLIENTS = "clients"
"""Folder of the clients' locks, in the data directory."""
TICK_SECONDS = 0.5
STOP_SECONDS = 30


def register_client(directory: Path) -> BaseFileLock:
    """Return a lock that keeps the engine of a directory running until it is released, or its process dies."""
    folder = directory / CLIENTS
    folder.mkdir(exist_ok=True, mode=0o700)
    # A lock can fail once: where the supervisor looks at the file just after it was made.
    while (lock := try_lock(folder / f"{secrets.token_hex(8)}.lock")) is None:
        continue
    return lock


def release_client(lock: BaseFileLock) -> None:
    """Release the lock of a client and remove its file."""
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def has_clients(directory: Path, own: BaseFileLock | None = None) -> bool:
    """Return whether a client holds its lock, `own` aside; files of dead clients are removed."""
    for file in list((directory / CLIENTS).glob("*.lock")):
        if own is not None and file == Path(own.lock_file):
            continue
        lock = try_lock(file)
        if lock is None:
            return True
        release_client(lock)
    return False


def _quote(argument: str) -> str:
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def spawn(
    engine: Engine, launch: Launch, arguments: list[str], name: str, *, log_name: str = "engine.log",
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start Java with arguments that the process list does not show.

    Args:
        engine: The engine, for its Java and its environment.
        launch: What runs.
        arguments: Java arguments.
        name: File of the arguments, in the data directory.
        log_name: File that takes what it writes, in the data directory.
        folder: Folder that it runs in; by default the data directory.
    """
    file = launch.directory / name
    write_private(file, "\n".join(_quote(argument) for argument in arguments) + "\n")
    with (launch.directory / log_name).open("ab") as log:
        return subprocess.Popen(
            [str(engine.java(launch.version)), f"@{file}"],
            cwd=folder or launch.directory,
            env={**os.environ, **engine.environment(launch.directory)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _end_orphan(directory: Path) -> None:
    """End the Java child of a supervisor that was killed, where it still runs on this data directory."""
    try:
        state = json.loads((directory / "state.json").read_text(encoding="utf-8"))
        process = psutil.Process(state["java_pid"])
        if f"@{directory / 'java.args'}" not in process.cmdline():
            return
        process.terminate()
        process.wait(timeout=STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
    except (OSError, ValueError, KeyError, psutil.Error):
        return


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _start(
    engine: Engine, directory: Path, heap: str, cache: Path, version: str
) -> tuple[subprocess.Popen[bytes], Launch]:
    bolt_port, spare_port = _free_ports(2)
    launch = Launch(directory, read_or_make_secret(directory), heap, bolt_port, spare_port, cache, version)
    if (preparation := engine.prepare(launch)) is not None:
        done = spawn(engine, launch, preparation, "prepare.args").wait(timeout=120)
        (directory / "prepare.args").unlink()
        if done != 0:
            raise StoreUnavailableError(f"{engine.name} could not be prepared", hint=f"See {directory / 'engine.log'}")
    return spawn(engine, launch, engine.arguments(launch), "java.args"), launch


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def supervise(directory: Path, engine: Engine, heap: str, idle_seconds: float, cache: Path, version: str) -> int:
    """Run the engine of a data directory until it ends, a signal stops it, or no client has used it for a while.

    The calling process forks. It returns once its child owns the directory, or has found that another process does.

    Args:
        directory: Data directory.
        engine: The engine.
        heap: Memory ceiling, in Java's notation.
        idle_seconds: The engine stops after so many seconds without a client.
        cache: Folder of downloaded engines.
        version: Version of Neo4j; empty for an engine that has only one.

    Returns:
        The exit code.

    Raises:
        StoreUnavailableError: The engine could not be prepared.
    """
    owned, report_owned = os.pipe()
    if os.fork() > 0:
        os.close(report_owned)
        os.read(owned, 1)
        return 0
    # A lock belongs to the process that takes it, so the child takes it. Closing the pipe ends the parent's wait.
    owner = try_lock(directory / OWNER_LOCK)
    os.close(report_owned)
    if owner is None:
        return 0
    _end_orphan(directory)
    try:
        return _run_engine(directory, engine, heap, idle_seconds, cache, version)
    finally:
        owner.release()


def _woken_by_signals() -> int:
    """Return a pipe's end that can be read once a signal comes: of whoever stops the engine, or of its own end."""
    woken, bell = os.pipe()
    os.set_blocking(bell, False)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _run_engine(directory: Path, engine: Engine, heap: str, idle_seconds: float, cache: Path, version: str) -> int:
    state_file = directory / "state.json"
    state_file.unlink(missing_ok=True)
    signals: list[int] = []
    woken = _woken_by_signals()
    signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    child, launch = _start(engine, directory, heap, cache, version)
    state = {
        "engine": engine.name,
        "version": version,
        "port": launch.bolt_port,
        "spare_port": launch.spare_port,
        "pid": os.getpid(),
        "java_pid": child.pid,
    }
    try:
        while child.poll() is None and not signals and not _accepts_connections(launch.bolt_port):
            time.sleep(0.1)
        if version and child.poll() is None and not signals:
            write_private(directory / VERSION_FILE, f"{version}\n")
        write_private(state_file, json.dumps(state))
        last_used = time.monotonic()
        while child.poll() is None and not signals and time.monotonic() - last_used < idle_seconds:
            if has_clients(directory):
                last_used = time.monotonic()
            if select.select([woken], [], [], TICK_SECONDS)[0]:
                os.read(woken, 1)
    finally:
        state_file.unlink(missing_ok=True)
        _stop(child)
        (directory / "java.args").unlink(missing_ok=True)
    return 0 if signals or child.returncode in (0, 143, -15) else 1


def main() -> int:
    """Run the supervisor with the arguments of its process."""
    directory, name, heap, idle, cache, version = sys.argv[1:7]
    try:
        return supervise(Path(directory), ENGINES[name], heap, float(idle) * 60, Path(cache), version)
    except AtlasError as error:
        write_private(Path(directory) / "failure.json", json.dumps({"message": error.message, "hint": error.hint}))
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
