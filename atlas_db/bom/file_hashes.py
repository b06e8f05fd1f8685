"""Files of a model on a disk with sizes and SHA-256, for its bill of materials."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from atlas_db.core.errors import InputError
from atlas_db.core.files import printable, sha256_of
from atlas_db.core.terms import Progress

THREADS = 4
"""Files that are read at once: hashing leaves the interpreter free, and disks are slower than processors."""


class HashedFile(NamedTuple):
    """One file.

    Attributes:
        name: Its path in the folder.
        size: Bytes.
        sha256: SHA-256 of its bytes.
    """

    name: str
    size: int
    sha256: str


def hash_files(place: Path, progress: Progress = lambda *_: None) -> list[HashedFile]:
    """Return the files of a folder with sizes and digests, in the order of names; of a file, that one.

    Hidden files and folders are left out. Links are followed to files, as in the Hub's cache.

    Raises:
        InputError: A file cannot be read.
    """
    files = [place] if place.is_file() else sorted(_files_in(place))
    root = place.parent if place.is_file() else place
    found = []
    with ThreadPoolExecutor(THREADS) as readers:
        for done, each in enumerate(readers.map(lambda file: _hashed(file, root), files), 1):
            found.append(each)
            progress("hash files", done, len(files))
    return found


def _files_in(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".")]
        yield from (
            Path(parent) / each for each in names if not each.startswith(".") and (Path(parent) / each).is_file()
        )


def _hashed(file: Path, root: Path) -> HashedFile:
    try:
        return HashedFile(printable(file.relative_to(root)), file.stat().st_size, sha256_of(file))
    except OSError as error:
        raise InputError(
            f"{printable(file)} cannot be read ({error.strerror})", hint="Repair its permissions, or take it away"
        ) from error
