"""SHA-256 of the jars of Neo4j: what was fetched is what the tests ran with."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from atlas_db.core.errors import StoreUnavailableError
from atlas_db.core.files import sha256_of

_ANEW = "Remove the cache folder: the next start fetches all jars anew"


def known_checksums(version: str) -> dict[str, str]:
    """Return the SHA-256 of each jar of a version, by file name; empty for a version that no test runs on."""
    listing = files(__package__) / "checksums" / f"neo4j-{version}.sha256"
    if not listing.is_file():
        return {}
    pairs = (line.split("  ", 1) for line in listing.read_text(encoding="utf-8").splitlines())
    return {name: digest for digest, name in pairs}


def check_jars(jars: Iterable[Path], version: str) -> None:
    """Check the jars of a version before they run.

    Raises:
        StoreUnavailableError: A jar is missing, is none of the version's, or has other bytes.
    """
    known, present = known_checksums(version), list(jars)
    if missing := sorted(known.keys() - {jar.name for jar in present}):
        raise StoreUnavailableError(
            f"of the files of Neo4j {version} {len(missing)} are missing, such as {missing[0]}",
            hint=f"Find out who removed them. {_ANEW}",
        )
    for jar in present if known else ():
        digest = sha256_of(jar)
        if known.get(jar.name) != digest:
            raise StoreUnavailableError(
                f"{jar} is not the file of Neo4j {version} that its name says (SHA-256 {digest})",
                hint=f"Find out who changed it. {_ANEW}",
            )
