"""Keeps one local engine: owns the data directory, runs the Java child, stops it when nobody is left.

Run by `managed_engine.py` as `python -m atlas_db.store.supervisor DIR ENGINE HEAP IDLE_MINUTES CACHE`.
It holds an exclusive lock on `owner.lock` as long as it lives; clients hold a shared lock on `clients.lock`, which the
kernel drops when they die, whatever killed them.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from atlas_db.core.errors import AtlasError, StoreUnavailableError
from atlas_db.store.engines import ENGINES, Engine, Launch

TICK_SECONDS = 0.5
STOP_SECONDS = 30


def read_or_make_secret(directory: Path) -> str:
    """Return the data directory's password, made at random on first use, in a file of mode 0600."""
    file = directory / "secret"
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as handle:
        # Letters and digits alone: one that begins with a hyphen is an option to the engine's own tools.
        handle.write(secrets.token_hex(24))
    return file.read_text(encoding="ascii").strip()


def try_lock(file: Path, mode: int) -> int | None:
    """Try to take a lock without waiting. Returns the descriptor that holds it, or None."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def write_private(file: Path, text: str) -> None:
    """Replace a file of mode 0600 in one step."""
    partial = file.with_name(file.name + ".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(file)


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


def _spawn(engine: Engine, launch: Launch, arguments: list[str], name: str) -> subprocess.Popen[bytes]:
    file = launch.directory / name
    write_private(file, "\n".join(_quote(argument) for argument in arguments) + "\n")
    with (launch.directory / "engine.log").open("ab") as log:
        return subprocess.Popen(
            [str(engine.java()), f"@{file}"],
            cwd=launch.directory,
            env={**os.environ, **engine.environment(launch.directory)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _end_orphan(directory: Path) -> None:
    """End the Java child of a keeper that was killed: this data directory is ours now."""
    try:
        state = json.loads((directory / "state.json").read_text(encoding="utf-8"))
        command = Path(f"/proc/{state['java_pid']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return
    if f"@{directory / 'java.args'}".encode() in command:
        os.kill(state["java_pid"], signal.SIGTERM)
        for _ in range(int(STOP_SECONDS / TICK_SECONDS)):
            if not Path(f"/proc/{state['java_pid']}").exists():
                return
            time.sleep(TICK_SECONDS)
        os.kill(state["java_pid"], signal.SIGKILL)


def _accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _start(engine: Engine, directory: Path, heap: str, cache: Path) -> tuple[subprocess.Popen[bytes], Launch]:
    bolt_port, spare_port = _free_ports(2)
    launch = Launch(directory, read_or_make_secret(directory), heap, bolt_port, spare_port, cache)
    if (preparation := engine.prepare(launch)) is not None:
        done = _spawn(engine, launch, preparation, "prepare.args").wait(timeout=120)
        (directory / "prepare.args").unlink()
        if done != 0:
            raise StoreUnavailableError(f"{engine.name} could not be prepared", hint=f"See {directory / 'engine.log'}")
    return _spawn(engine, launch, engine.arguments(launch), "java.args"), launch


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def supervise(directory: Path, engine: Engine, heap: str, idle_seconds: float, cache: Path) -> int:
    """Own the directory, run the engine, return when it ended, was told to stop, or nobody used it for long enough.

    The process that was started returns as soon as the lock is held, or somebody else holds it; a fork goes on.
    """
    owner = try_lock(directory / "owner.lock", fcntl.LOCK_EX)
    if owner is None or os.fork() > 0:
        return 0
    _end_orphan(directory)
    (directory / "state.json").unlink(missing_ok=True)
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    child, launch = _start(engine, directory, heap, cache)
    state = {"engine": engine.name, "port": launch.bolt_port, "pid": os.getpid(), "java_pid": child.pid}
    try:
        while child.poll() is None and not told and not _accepts_connections(launch.bolt_port):
            time.sleep(0.1)
        write_private(directory / "state.json", json.dumps(state))
        last_used = time.monotonic()
        while child.poll() is None and not told and time.monotonic() - last_used < idle_seconds:
            nobody = try_lock(directory / "clients.lock", fcntl.LOCK_EX)
            if nobody is None:
                last_used = time.monotonic()
            else:
                os.close(nobody)
            time.sleep(TICK_SECONDS)
    finally:
        (directory / "state.json").unlink(missing_ok=True)
        _stop(child)
        (directory / "java.args").unlink(missing_ok=True)
        os.close(owner)
    return 0 if told or child.returncode in (0, 143, -15) else 1


def main() -> int:
    """Entry point of the child process."""
    directory, name, heap, idle, cache = sys.argv[1:6]
    try:
        return supervise(Path(directory), ENGINES[name], heap, float(idle) * 60, Path(cache))
    except AtlasError as error:
        write_private(Path(directory) / "failure.json", json.dumps({"message": error.message, "hint": error.hint}))
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
