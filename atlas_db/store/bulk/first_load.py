"""The first load of a local store is all or nothing: where it was cut off, the next start begins with an empty store.

An engine that dies inside a batch can leave an edge that only one of its ends knows; an import tool, half a database.
Nothing but that load is in the store, so its data are removed, not repaired.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import psutil

from atlas_db.core.files import write_private
from atlas_db.core.locks import exclusive_lock, is_locked

_MARKER, _LOCK = "first-load", "first-load.lock"
IMPORT_FOLDER = "import"
"""Files for an import tool, in the data directory."""
IMPORT_ARGUMENTS = "import.args"
"""Arguments of an import tool, in the data directory: the process list shows the name of this file."""


class NewGraph(Protocol):
    """Takes the nodes and edges of a store that was empty."""

    def node(self, label: str, props: Mapping[str, Any]) -> None:
        """Add a node that was not added before; properties that are None are left out."""

    def edges(
        self, rel: str, source: str, target: str, rows: Sequence[Sequence[Any]], names: Sequence[str] = ...,
        common: Mapping[str, Any] = ...,
    ) -> None:  # fmt: skip
        """Add edges between nodes that were added before.

        Args:
            rel: Relationship type.
            source: Label of the starts.
            target: Label of the ends.
            rows: Of each edge the ids of both ends, then the value of each name; values that are None are left out.
            names: Properties that differ from edge to edge.
            common: Properties that are equal in all.
        """

    def flush(self) -> None:
        """Write what was added."""


@contextmanager
def first_load(directory: Path) -> Iterator[None]:
    """Mark a data directory as one whose first load goes on; an exception leaves the mark.

    At its end all files are flushed to the disk: the engine does not do that after each batch.

    Args:
        directory: Data directory of a local engine.

    Raises:
        StoreLockedError: Another process loads into it.
    """
    # Whoever opens the store tries the lock for a moment, to learn whether a load holds it.
    with exclusive_lock(directory / _LOCK, f"another process loads into {directory}", wait_seconds=1.0):
        write_private(directory / _MARKER, "")
        yield
        for file in directory.rglob("*"):
            if file.is_file():
                _flush(file)
        (directory / _MARKER).unlink()


def _flush(file: Path) -> None:
    # The engine removes logs that it needs no longer.
    with suppress(FileNotFoundError), file.open("rb") as handle:
        os.fsync(handle.fileno())


def is_cut_off(directory: Path) -> bool:
    """Return whether the first load of a data directory ended before it was through."""
    return (directory / _MARKER).exists() and not is_locked(directory / _LOCK)


def remove_cut_off(directory: Path, *data: Path) -> None:
    """Remove what a first load left that was cut off. The engine must not run; an import tool is ended.

    Args:
        directory: Data directory of a local engine.
        data: Folders of its databases.
    """
    if is_cut_off(directory):
        _end_import(directory)
        for folder in data:
            shutil.rmtree(folder, ignore_errors=True)
        (directory / _MARKER).unlink(missing_ok=True)


def _end_import(directory: Path) -> None:
    """End the import tool of a command that was killed: it would go on writing."""
    argument = f"@{directory / IMPORT_ARGUMENTS}"
    for process in psutil.process_iter(["cmdline"]):
        if argument in (process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait()
