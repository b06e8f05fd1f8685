"""Runs Neo4j's own import tool on what `load --export-csv` wrote, with the jars of `neo4j-local`."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from atlas_db.core.files import write_private
from atlas_db.store import engines
from atlas_db.store.neo4j_version import LTS, VERSION_FILE


def import_files(command: str, folder: Path, cache: Path, version: str = LTS) -> None:
    """Import into a new neo4j-local data directory.

    Args:
        command: What `ingest.load.csv_export.export` returned.
        folder: The new directory.
        cache: Folder of resolved jars.
        version: Version of Neo4j.

    Raises:
        RuntimeError: The tool failed; the message holds the end of what it said.
    """
    folder.mkdir()
    launch = engines.Launch(folder, "unused", "1g", 0, 0, cache, version)
    engines.NEO4J.prepare(launch)
    arguments = shlex.split(command.replace("\\\n", " "))[1:]
    words = engines.neo4j_command(launch, "org.neo4j.cli.AdminTool", *arguments)
    lines = ['"' + word.replace("\\", "\\\\") + '"' for word in words]
    write_private(folder / "import.args", "\n".join(lines))
    done = subprocess.run(
        [str(engines.NEO4J.java(version)), f"@{folder / 'import.args'}"],
        env={**os.environ, **engines.NEO4J.environment(folder)}, cwd=folder,  # where it writes its import.report
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    (folder / VERSION_FILE).write_text(version)
