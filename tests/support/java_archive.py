"""Classes of the local engine, as Java keeps them ahead of time: an engine of a test starts in half the time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from filelock import FileLock

from atlas_db.core.settings import Settings
from atlas_db.store.connect import open_store
from atlas_db.store.engines import ARCADEDB
from atlas_db.store.managed_engine import stop_engine
from tests.support.graphs import load_rows
from tests.support.hubs import FAMILY

OPTIONS = "JDK_JAVA_OPTIONS"
"""Variable that the launcher `java` alone reads. JAVA_TOOL_OPTIONS would reach every virtual machine."""


def archive_file(folder: Path) -> Path:
    """Return the archive's file. Java reads it only with the runtime and the jars that it was made of."""
    java = ARCADEDB.java("")
    jars = sorted((java.parents[2] / "jars").glob("*.jar"))
    made_of = "\n".join(f"{file} {file.stat().st_mtime_ns}" for file in (java, *jars))
    return folder / f"local-{hashlib.blake2b(made_of.encode(), digest_size=8).hexdigest()}.aot"


def use_archive(folder: Path) -> None:
    """Let all engines that start from now on read the archive; the first on a machine to want it makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = archive_file(folder)
    with FileLock(f"{file}.lock"):
        if not file.is_file():
            _make(file)
    if file.is_file():
        os.environ[OPTIONS] = _options("AOTCache", file)


def _options(name: str, file: Path) -> str:
    """Return Java's options with one more. A Java before 25, as Neo4j has it, does not know it, and goes on."""
    return f"{os.environ[OPTIONS]} -XX:+IgnoreUnrecognizedVMOptions -XX:{name}={file}"


def _make(file: Path) -> None:
    """Run an engine that writes the archive when it stops."""
    written = file.with_suffix(".new")
    with (
        TemporaryDirectory() as folder,
        patch.dict(os.environ, {OPTIONS: _options("AOTCacheOutput", written)}),
    ):
        place = Path(folder)
        with open_store(Settings(home=place, store=f"local:{place / 'store'}", heap="1g")) as store:
            load_rows(store, place, FAMILY)
        stop_engine(place / "store")
    if written.is_file():
        written.rename(file)
