"""Checkpoint of a run: the results of its stages, in `run.json` of its folder, written whole after each stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from atlas_db.core.decoding import MalformedError, json_as, read_json
from atlas_db.core.errors import UsageError
from atlas_db.core.files import write_whole
from atlas_db.core.locks import exclusive_lock

CHECKPOINT_FILE, LOCK_FILE = "run.json", "run.lock"
State = Literal["done", "kept", "skipped"]


class StageResult(msgspec.Struct, kw_only=True):
    """Result of one stage.

    Attributes:
        state: done in this run, kept because its inputs are unchanged, or skipped.
        key: Digest of its inputs.
        reason: Reason for skipping it.
        run_id: Id of its run in the store; empty where it wrote none.
        seconds: Wall-clock time when it was done, in seconds.
        memory: Peak of resident bytes of this process and its children.
        engine: Peak of resident bytes of the local engine; None where it runs elsewhere.
        counts: Counts that the stage reports.
    """

    state: State
    key: str
    reason: str = ""
    run_id: str = ""
    seconds: float = 0.0
    memory: int = 0
    engine: int | None = None
    counts: dict[str, Any] = {}


class _Kept(msgspec.Struct):
    store_id: str
    stages: msgspec.Raw


class Checkpoint:
    """Results of the stages of one folder. Results for another store are ignored.

    Args:
        folder: The run's folder.
        store_id: Id of the store that it writes to.

    Attributes:
        stages: Results by name of the stage.

    Raises:
        UsageError: The file of an earlier run cannot be read.
    """

    def __init__(self, folder: Path, store_id: str) -> None:
        self._file = folder / CHECKPOINT_FILE
        self._store_id = store_id
        self.stages: dict[str, StageResult] = {}
        try:
            found = read_json(self._file, _Kept)
            if found.store_id == store_id:
                self.stages = json_as(bytes(found.stages), dict[str, StageResult])
        except FileNotFoundError:
            return
        except MalformedError as error:
            raise UsageError(
                f"{self._file} cannot be read ({error})", hint="Remove it: the run then begins anew"
            ) from error

    def put(self, name: str, stage: StageResult) -> None:
        """Record the result of a stage. The file is replaced as a whole."""
        self.stages[name] = stage
        plain = {"store_id": self._store_id, "stages": msgspec.to_builtins(self.stages)}
        write_whole(self._file, json.dumps(plain, indent=1).encode())


def digest(*parts: object) -> str:
    """Return a digest of JSON values, 16 hexadecimal digits."""
    return hashlib.blake2b(json.dumps(parts, default=str).encode(), digest_size=8).hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder. The lock of a killed process is released by the system.

    Raises:
        UsageError: The folder cannot be made.
        StoreLockedError: Another run holds the lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}", hint="Give another with --out") from error
    with exclusive_lock(folder / LOCK_FILE, f"another run is writing to {folder}"):
        yield
