"""Undo file of a load: the overwritten state, written before the transaction that overwrites it commits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec


class NodeBefore(NamedTuple):
    """Properties of a node before a run; None where it did not exist."""

    label: str
    id: str
    props: dict[str, Any] | None


class EdgeBefore(NamedTuple):
    """Properties of a declared claim before a run; None where it did not exist."""

    rel: str
    source: str
    target: str
    a: str
    b: str
    props: dict[str, Any] | None


class UndoFile:
    """Undo file of one run, under the home folder. The first entry of a node or edge is the one that is restored."""

    def __init__(self, folder: Path, store_id: str, run_id: str) -> None:
        self.path = folder / "undo" / store_id / f"{run_id}.jsonl"
        self._handle: IO[bytes] | None = None

    def begin(self, *, empty_store: bool) -> None:
        """Create the file.

        Args:
            empty_store: True where undoing the run empties the store.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = self.path.open("wb")
        self._write([{"empty_store": empty_store}])

    def append(self, entries: Sequence[NodeBefore | EdgeBefore]) -> None:
        """Append entries and flush them to the disk."""
        self._write([["node" if isinstance(entry, NodeBefore) else "edge", *entry] for entry in entries])

    def _write(self, rows: Sequence[object]) -> None:
        if self._handle is None:
            raise ValueError("the undo file was not begun")
        self._handle.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def read(self) -> tuple[bool, Iterator[NodeBefore | EdgeBefore]]:
        """Return whether the store was empty, and the entries.

        Raises:
            FileNotFoundError: There is no undo file.
        """
        lines = self.path.read_bytes().splitlines()
        empty = bool(msgspec.json.decode(lines[0])["empty_store"]) if lines else False
        return empty, _entries(lines[1:])


def _entries(lines: Sequence[bytes]) -> Iterator[NodeBefore | EdgeBefore]:
    seen: set[tuple[str, ...]] = set()
    for line in lines:
        try:
            what, *values = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return  # a line cut by a kill: its transaction never began
        key = tuple(str(value) for value in (what, *values[:-1]))
        if key not in seen:
            seen.add(key)
            yield NodeBefore(*values) if what == "node" else EdgeBefore(*values)
