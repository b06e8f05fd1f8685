"""What a run has done so far, in `run.json` of its folder: written whole after each stage, read again by the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from atlas_db.core.errors import UsageError
from atlas_db.core.files import write_whole
from atlas_db.core.locks import exclusive_lock

CHECKPOINT_FILE, LOCK_FILE = "run.json", "run.lock"
State = Literal["done", "kept", "skipped"]


class StageResult(msgspec.Struct, kw_only=True):
    """One stage as it was last gone through.

    Attributes:
        state: done now, kept because nothing it rests on has changed, or skipped.
        key: Digest of what it rests on.
        reason: Why it was skipped.
        run_id: Its run in the store, where it wrote one.
        seconds: Wall-clock time it took when it was done.
        memory: Most resident bytes of this program meanwhile.
        engine: Most resident bytes of the local engine meanwhile.
        counts: What it did.
    """

    state: State
    key: str
    reason: str = ""
    run_id: str = ""
    seconds: float = 0.0
    memory: int = 0
    engine: int | None = None
    counts: dict[str, Any] = {}


class Checkpoint:
    """The stages of one folder.

    Args:
        folder: The run's folder.
        store_id: The store that it writes to.
    """

    def __init__(self, folder: Path, store_id: str) -> None:
        self._file = folder / CHECKPOINT_FILE
        self._store_id = store_id
        self.stages: dict[str, StageResult] = {}
        try:
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return
        except ValueError as error:
            raise UsageError(f"{self._file} cannot be read", hint="Remove it: the run then begins anew") from error
        if found.get("store_id") == store_id:
            self.stages = msgspec.convert(found["stages"], dict[str, StageResult])

    def put(self, name: str, stage: StageResult) -> None:
        """Note a stage; the file is whole at any moment."""
        self.stages[name] = stage
        plain = {"store_id": self._store_id, "stages": msgspec.to_builtins(self.stages)}
        write_whole(self._file, json.dumps(plain, indent=1).encode())


def digest(*parts: object) -> str:
    """Return a short digest of plain values."""
    return hashlib.blake2b(json.dumps(parts, default=str).encode(), digest_size=8).hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Be the only run of a folder; a killed one's hold ends with it.

    Raises:
        UsageError: The folder cannot be made.
        StoreLockedError: Another run is at it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}", hint="Give another with --out") from error
    with exclusive_lock(folder / LOCK_FILE, f"another run is writing to {folder}"):
        yield
