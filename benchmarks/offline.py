"""Runs Neo4j's own import tool on what `load --export-csv` wrote, with the jars of `neo4j-local`."""

from __future__ import annotations

import shlex
from pathlib import Path

from atlas_db.store import engines
from atlas_db.store.bulk.offline_import import run_import
from atlas_db.store.neo4j_version import LTS, VERSION_FILE


def import_files(command: str, folder: Path, cache: Path, version: str = LTS) -> None:
    """Import into a new neo4j-local data directory.

    Args:
        command: What `ingest.load.csv_export.export` returned.
        folder: The new directory.
        cache: Folder of resolved jars.
        version: Version of Neo4j.

    Raises:
        StoreRefusedError: The tool failed.
    """
    folder.mkdir()
    launch = engines.Launch(folder, "unused", "1g", 0, 0, cache, version)
    engines.NEO4J.prepare(launch)
    run_import(launch, shlex.split(command.replace("\\\n", " "))[1:], folder, lambda *_: None)
    (folder / VERSION_FILE).write_text(version)
