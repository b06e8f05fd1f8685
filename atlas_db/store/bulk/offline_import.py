"""The first load of a local Neo4j: files, Neo4j's own import tool on them while the engine is stopped, then its start.

The tool takes a third of the processor time that the engine takes for the same rows in Cypher
(`docs/results/performance.md`). It makes no constraints: they follow. Whoever opens the store meanwhile waits, as for
an engine that starts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import BaseFileLock

from atlas_db.core.errors import AtlasError, StoreRefusedError
from atlas_db.core.files import make_private_folder
from atlas_db.core.locks import try_lock
from atlas_db.core.terms import Progress
from atlas_db.store.bulk.first_load import IMPORT_ARGUMENTS, IMPORT_FOLDER, first_load
from atlas_db.store.bulk.import_files import BulkImportFiles, Unwritable
from atlas_db.store.engines import NEO4J, Launch, neo4j_admin
from atlas_db.store.statements import constraints, indexes, replace_nodes
from atlas_db.store.supervisor import OWNER_LOCK, spawn

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store, Transaction

MAX_MESSAGE = 300
"""Characters of the tool's reason that are shown."""
STAGE = "import"
LOG_FILE = "import.log"
"""What the tool writes, in the data directory."""
POLL_SECONDS = 1.0
_STAGES = 4
_PLACE = re.compile(r"\((\d)/4\)|(\d+)%")
"""What the tool writes as it goes on: the number of a stage, and its shares."""
_REASON = re.compile(
    r"Command Failed\n((?:.|\n)+?)(?:Full exception|---)|^(Error .+|.*(?:Exception|Error):.+)$", re.MULTILINE
)
"""What the tool writes where it fails: of its newer versions all that they state, of 5.26 a line."""


class OfflineEndpoint(NamedTuple):
    """A local engine that can be stopped for a first load.

    Attributes:
        launch: Its data directory, heap, jars and version.
        is_unused: Returns whether no other client is connected.
        stop: Stops it.
        start: Starts it, and returns a connection.
    """

    launch: Launch
    is_unused: Callable[[], bool]
    stop: Callable[[], object]
    start: Callable[[], Store]


def seize_engine(store: Store, endpoint: OfflineEndpoint) -> BaseFileLock | None:
    """Stop an engine and return the lock that keeps it stopped.

    Where another process has started it again meanwhile, the store is connected to it, and the answer is None.

    Args:
        store: The store.
        endpoint: Its engine.
    """
    endpoint.stop()
    owner = try_lock(endpoint.launch.directory / OWNER_LOCK)
    if owner is None:
        store.take_over(endpoint.start())
    return owner


@contextmanager
def offline_import(
    store: Store, endpoint: OfflineEndpoint, owner: BaseFileLock, progress: Progress
) -> Iterator[BulkImportFiles]:
    """Yield files for the nodes and edges of a store that is empty; at the end they are the graph of the store.

    Meanwhile the store does not answer. Where an error of ours ends the block, the store is empty and answers again.

    Args:
        store: The store. Its nodes are removed.
        endpoint: Its engine.
        owner: What `seize_engine` returned; it is released before the engine starts.
        progress: Called with the progress.

    Raises:
        StoreRefusedError: The import tool failed.
    """
    directory = endpoint.launch.directory
    folder = directory / IMPORT_FOLDER
    try:
        with ExitStack() as held:
            held.callback(owner.release)
            held.enter_context(first_load(directory))
            make_private_folder(folder)
            with BulkImportFiles(folder) as files:
                yield files
            run_import(endpoint.launch, files.arguments(NEO4J.database), folder, progress)
            shutil.rmtree(folder)
            owner.release()
            progress("start", 0, 0)
            store.take_over(endpoint.start())
            store.apply_schema((*constraints(), *indexes()))
            for each in files.unwritable:
                store.write(partial(_replace, each))
    except AtlasError:
        store.take_over(endpoint.start())  # This removes what was written.
        raise


def _replace(node: Unwritable, tx: Transaction) -> None:
    tx.run_batch(replace_nodes(node.label), [node.props])


def run_import(launch: Launch, arguments: Sequence[str], folder: Path, progress: Progress) -> None:
    """Run Neo4j's import tool. The engine must not run.

    Args:
        launch: Data directory, heap, jars and version.
        arguments: Arguments of `neo4j-admin`.
        folder: Folder that the tool runs in.
        progress: Called with the progress.

    Raises:
        StoreRefusedError: The tool failed.
    """
    log = launch.directory / LOG_FILE
    log.unlink(missing_ok=True)
    progress(STAGE, 0, 0)
    process = spawn(NEO4J, launch, neo4j_admin(launch, arguments), IMPORT_ARGUMENTS, log_name=LOG_FILE, folder=folder)
    try:
        while process.poll() is None:
            try:
                process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                progress(STAGE, _percent(log), 100)
    finally:
        process.kill()
        process.wait()
        (launch.directory / IMPORT_ARGUMENTS).unlink()
    if process.returncode:
        raise StoreRefusedError(
            f"Neo4j's import tool failed ({_reason(log) or f'exit code {process.returncode}'})",
            hint=f"See {log}. Run the same command again: an interrupted first load starts anew. A store that holds a "
            "record is loaded without this tool, so load one record first where it fails again",
        )
    log.unlink()


def _percent(log: Path) -> int:
    stage = share = 0
    for found in _PLACE.finditer(log.read_text(encoding="utf-8", errors="replace")):
        stage, share = (int(found[1]), 0) if found[1] else (stage, int(found[2]))
    return max(0, (100 * (stage - 1) + share) // _STAGES)


def _reason(log: Path) -> str:
    """Return the last reason that the tool states, on one line."""
    found = _REASON.findall(log.read_text(encoding="utf-8", errors="replace"))
    return " ".join("".join(found[-1]).split())[:MAX_MESSAGE] if found else ""
