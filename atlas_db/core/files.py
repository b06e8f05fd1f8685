"""Files that appear whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a path to write to; what was written there takes the file's place at the end, flushed to the disk.

    Where the block fails, the file stays as it was and the unfinished one lies beside it, as `.part`.
    """
    partial = file.with_name(file.name + ".part")
    yield partial
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(file)


def write_whole(file: Path, body: bytes) -> None:
    """Write a file that appears whole."""
    with replacing(file) as partial:
        partial.write_bytes(body)
