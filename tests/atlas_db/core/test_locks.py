"""Locks between processes: one holder at a time, and the death of a holder ends its lock."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from atlas_db.core.errors import StoreLockedError
from atlas_db.core.locks import exclusive_lock, is_locked, try_lock
from atlas_db.store.supervisor import CLIENTS, has_clients, register_client, release_client

HOLD = """
import sys, time
from pathlib import Path
from atlas_db.core.locks import try_lock
from atlas_db.store.supervisor import register_client
place = Path(sys.argv[1])
held = register_client(place) if place.is_dir() else try_lock(place)
print("held", flush=True)
time.sleep(60)
"""


def holder(place: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock of a file, or a client's lock of a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(place)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    assert not is_locked(file)
    assert not file.exists(), "asking makes no file"
    with exclusive_lock(file, "somebody else is at it"):
        assert is_locked(file)
        assert try_lock(file) is None
        with (
            pytest.raises(StoreLockedError, match="somebody else is at it.*Wait"),
            exclusive_lock(file, "somebody else is at it"),
        ):
            pass
    assert not is_locked(file)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_lock_is_awaited_for_as_long_as_one_asks(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    with holder(file) as process:
        began = time.monotonic()
        assert try_lock(file, 0.3) is None
        assert time.monotonic() - began >= 0.3
        threading.Timer(0.3, process.kill).start()
        with exclusive_lock(file, "somebody else is at it", 30):
            assert process.wait() != 0


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    file = tmp_path / "x.lock"
    with holder(file) as process:
        assert is_locked(file)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not is_locked(file)


def test_clients_are_counted_while_they_live(tmp_path: Path) -> None:
    assert not has_clients(tmp_path)
    first, second = register_client(tmp_path), register_client(tmp_path)
    release_client(first)
    assert has_clients(tmp_path)
    release_client(second)
    assert not has_clients(tmp_path)
    assert not list((tmp_path / CLIENTS).iterdir())


def test_a_killed_client_no_longer_counts_and_leaves_no_file(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert has_clients(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not has_clients(tmp_path)
        assert not list((tmp_path / CLIENTS).iterdir())
