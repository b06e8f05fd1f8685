"""Files that are replaced in one step, so that no reader sees half of one, and names of files as text."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MAX_TEXT_FILE = 32 * 2**20
"""Bytes of a card or configuration that is read whole, at most."""
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What a mode allows to others than the owner."""


def read_bounded(handle: IO[bytes] | Any, limit: int = MAX_TEXT_FILE) -> bytes:  # noqa: ANN401
    """Return the rest of a file, which may be a compressed one.

    Raises:
        OSError: It is longer than `limit` bytes; or it cannot be read.
    """
    body: bytes = handle.read(limit + 1)
    if len(body) > limit:
        raise OSError(errno.EFBIG, f"longer than {limit // 2**20} MiB")
    return body


def read_text_file(file: Path) -> str:
    """Return the text of a card or configuration; bytes that are not UTF-8 become U+FFFD.

    Raises:
        OSError: It is longer than `MAX_TEXT_FILE`, or cannot be read.
    """
    with file.open("rb") as handle:
        return read_bounded(handle).decode("utf-8", errors="replace")


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield a path to write to; at the end of the block it replaces the file, flushed to the disk.

    Where the block fails, the file stays as it was. The unfinished one keeps its name with the ending `.part`.
    """
    partial = file.with_name(file.name + ".part")
    yield partial
    descriptor = os.open(partial, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    partial.replace(file)


def make_private_folder(folder: Path) -> None:
    """Make a folder that its owner alone may enter (mode 0700), or close one that was made before.

    A folder of another user keeps its mode.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid == os.geteuid() and found.st_mode & _OF_OTHERS:
        folder.chmod(stat.S_IMODE(found.st_mode) & ~_OF_OTHERS)


def write_private(file: Path, text: str) -> None:
    """Replace a text file, readable by its owner alone (mode 0600), in one step."""
    partial = file.with_name(file.name + ".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
    partial.replace(file)


def write_whole(file: Path, body: bytes) -> None:
    """Replace a file in one step."""
    with replacing(file) as partial:
        partial.write_bytes(body)


def reason_of(error: Exception) -> str:
    """Return why something could not be read or written: of an error of the system without its number and path."""
    return str(getattr(error, "strerror", None) or error)


def printable(path: os.PathLike[str] | str) -> str:
    """Return a path as Unicode text. Bytes of a name that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def expanded(path: os.PathLike[str] | str) -> Path:
    """Return a path with the home folder in place of `~`; one of a user who is not known stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def resolved(path: Path) -> Path:
    """Return a path as an absolute one without links; one that leads into a circle of links keeps them."""
    try:
        return path.resolve()
    except RuntimeError:
        return path.absolute()


def is_there(path: Path) -> bool:
    """Return whether a file or folder has this name. None has a name that is too long for the file system."""
    try:
        return path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
