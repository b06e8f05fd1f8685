"""Random access to bytes: files on disk, read by position; nothing is mapped or loaded whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from atlas_db.core.arrays import Integers
from atlas_db.core.errors import WeightsError


def contiguous_runs(rows: Integers) -> Iterator[tuple[int, int]]:
    """Yield the bounds of runs of consecutive rows, each of which is read at once.

    Args:
        rows: Row indices, shape (n,).

    Yields:
        Index of the first element of a run, and index after its last.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1).tolist()
    yield from zip(starts, [*starts[1:], len(rows)], strict=True)


class ByteSource(Protocol):
    """Random access to bytes.

    Attributes:
        name: Name in messages.
        size: Length in bytes.
        bytes_read: Bytes asked for so far.
    """

    name: str
    size: int
    bytes_read: int

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`.

        Raises:
            WeightsError: They cannot be read.
        """
        ...


class LocalFile:
    """A file on disk. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.bytes_read = 0
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise WeightsError(self.name, f"cannot be opened ({error.strerror})") from error
        self.size = os.fstat(self._descriptor).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`.

        Raises:
            WeightsError: The file ends before them, or the disk fails.
        """
        try:
            data = os.pread(self._descriptor, stop - start, start)
        except OSError as error:
            raise WeightsError(self.name, f"cannot be read ({error.strerror})") from error
        if len(data) != stop - start:
            raise WeightsError(self.name, f"ends at byte {start + len(data):,}, {stop:,} were promised")
        self.bytes_read += len(data)
        return data
