"""Random access to bytes: files on disk, read by position; nothing is mapped or loaded whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from atlas_db.core.arrays import Bytes, Integers
from atlas_db.core.errors import WeightsError
from atlas_db.core.files import reason_of

MAX_WHOLE_READ_BYTES = 2**22
"""Bytes up to which a matrix is read at once where columns are wanted."""
BYTES_AN_ELEMENT = 4096
"""Bytes that are copied in the time of one read, and a page of a disk: what one element of a column costs."""
BLOCK_BYTES = 2**20
"""Bytes of the rows, or of the elements, that are read at once where columns are taken from all rows."""
MAX_READ_BYTES = 2**31 - 2**12
"""Bytes that are read at once, at most: as many as Linux gives."""


def contiguous_runs(rows: Integers) -> Iterator[tuple[int, int]]:
    """Yield the bounds of runs of consecutive rows, each of which is read at once.

    Args:
        rows: Row indices, shape (n,).

    Yields:
        Index of the first element of a run, and index after its last.
    """
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1).tolist()
    yield from zip(starts, [*starts[1:], len(rows)], strict=True)


def read_rows(source: ByteSource, start: int, rows: Integers, width: int) -> Bytes:
    """Return rows of bytes, consecutive rows read at once, shape (len(rows), width).

    Args:
        source: The file.
        start: First byte of row 0.
        rows: Row indices.
        width: Bytes a row.

    Raises:
        WeightsError: The file ends before them.
    """
    out = np.empty((len(rows), width), np.uint8)
    for first, last in contiguous_runs(rows):
        data = source.read(start + int(rows[first]) * width, start + (int(rows[last - 1]) + 1) * width)
        out[first:last] = np.frombuffer(data, np.uint8).reshape(-1, width)
    return out


def read_columns(source: ByteSource, start: int, shape: Sequence[int], item: int, columns: Integers) -> Bytes:
    """Return columns of a matrix, each as the bytes of its elements, shape (len(columns), rows · item).

    A small matrix is read whole. Of a larger one on disk rows are read in blocks, or each element by itself where that
    touches less. By ranges, where that would take a request an element, `reads_columns` tells which are small enough.

    Args:
        source: The file.
        start: First byte of the matrix.
        shape: Its rows and columns.
        item: Bytes of an element.
        columns: Column indices.

    Raises:
        WeightsError: The file ends before them.
    """
    rows, width = shape
    if rows * width * item <= MAX_WHOLE_READ_BYTES or not isinstance(source, LocalFile):
        whole = np.frombuffer(source.read(start, start + rows * width * item), np.uint8).reshape(rows, width, item)
        return np.ascontiguousarray(whole[:, columns].swapaxes(0, 1)).reshape(len(columns), rows * item)
    unique, inverse = np.unique(columns, return_inverse=True)
    if len(unique) * BYTES_AN_ELEMENT > width * item:
        out = np.empty((len(unique), rows, item), np.uint8)
        step = max(1, BLOCK_BYTES // (width * item))
        for first in range(0, rows, step):
            last = min(first + step, rows)
            raw = source.read(start + first * width * item, start + last * width * item)
            block = np.frombuffer(raw, np.uint8).reshape(last - first, width, item)
            out[:, first:last] = block[:, unique].swapaxes(0, 1)
        return out.reshape(len(unique), rows * item)[inverse]
    out = np.empty((len(unique), rows, item), np.uint8)
    step = max(1, BLOCK_BYTES // (len(unique) * item))
    for first in range(0, rows, step):
        block_rows = np.arange(first, min(first + step, rows))
        places = (start + (unique[:, None] + block_rows * width) * item).ravel()
        raw = source.read_items(places.tolist(), item)
        out[:, block_rows] = np.frombuffer(raw, np.uint8).reshape(len(unique), len(block_rows), item)
    return out.reshape(len(unique), rows * item)[inverse]


def require_few_bytes(name: str, count: int) -> None:
    """Check the size of one reading before memory is taken for it.

    Args:
        name: Name of the file.
        count: Bytes to read.

    Raises:
        WeightsError: They are more than are read at once.
    """
    if count > MAX_READ_BYTES:
        raise WeightsError(name, f"would have {count:,} bytes read at once, more than {MAX_READ_BYTES:,}")


def reads_columns(source: ByteSource, size: int, largest: int | None = None) -> bool:
    """Return whether columns of a matrix can be read: from disk always, by ranges only of one that is read whole.

    Args:
        source: The file.
        size: Bytes of the matrix.
        largest: Bytes of a matrix that is read whole by ranges, at most; `MAX_WHOLE_READ_BYTES` where None.
    """
    return isinstance(source, LocalFile) or size <= (MAX_WHOLE_READ_BYTES if largest is None else largest)


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
        except (OSError, ValueError) as error:  # values: a null byte, or half of a surrogate pair, in a stated name
            raise WeightsError(self.name, f"cannot be opened ({reason_of(error)})") from error
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
            WeightsError: The file ends before them, they are too many, or the disk fails.
        """
        require_few_bytes(self.name, stop - start)
        try:
            data = os.pread(self._descriptor, stop - start, start)
        except OSError as error:
            raise WeightsError(self.name, f"cannot be read ({error.strerror})") from error
        if len(data) != stop - start:
            raise WeightsError(self.name, f"ends at byte {start + len(data):,}, {stop:,} were promised")
        self.bytes_read += len(data)
        return data

    def read_items(self, places: Sequence[int], size: int) -> bytes:
        """Return items of one size, one after the other.

        Args:
            places: First byte of each.
            size: Bytes of an item.

        Raises:
            WeightsError: The file ends before one of them, or the disk fails.
        """
        descriptor, pread = self._descriptor, os.pread  # looked up once: a matrix has thousands of items
        try:
            data = b"".join([pread(descriptor, size, place) for place in places])
        except OSError as error:
            raise WeightsError(self.name, f"cannot be read ({error.strerror})") from error
        if len(data) != len(places) * size:
            raise WeightsError(self.name, f"ends at byte {self.size:,}, {max(places) + size:,} were promised")
        self.bytes_read += len(data)
        return data
