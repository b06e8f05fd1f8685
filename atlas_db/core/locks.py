"""Exclusive locks between processes, by `filelock`: the operating system ends a lock when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from atlas_db.core.errors import StoreLockedError

PRIVATE_MODE = 0o600


def try_lock(file: Path, wait_seconds: float = 0.0) -> BaseFileLock | None:
    """Return a held exclusive lock on a file, or None where another holder has it all the time.

    The lock ends with `release`, or with the process. Any thread may release it. A fork does not inherit it.
    """
    lock = FileLock(file, mode=PRIVATE_MODE, thread_local=False)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        return None
    return lock


def is_locked(file: Path) -> bool:
    """Return whether a process holds the lock on a file; a file that is missing is free."""
    if not file.exists():
        return False
    lock = try_lock(file)
    if lock is None:
        return True
    lock.release()
    return False


@contextmanager
def exclusive_lock(file: Path, busy: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock on a file.

    Args:
        file: The lock file; its folder exists.
        busy: Message of the error where another process holds it.
        wait_seconds: Seconds for which its end is awaited.

    Raises:
        StoreLockedError: Another process holds it.
    """
    lock = try_lock(file, wait_seconds)
    if lock is None:
        raise StoreLockedError(busy, hint="Wait until it is through, then run this again")
    try:
        yield
    finally:
        lock.release()
