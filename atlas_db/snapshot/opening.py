"""Opens an atlas to read from it: a store, a snapshot's file, and what the Hub adds to either.

Every verb opens an atlas. So what only snapshots and the Hub need is imported where it is used. It would cost a verb on
a store as much as the driver of its database does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_db.core.errors import InputError
from atlas_db.core.files import expanded
from atlas_db.core.settings import Settings, cache_folder
from atlas_db.core.terms import Progress
from atlas_db.store.bolt import Store
from atlas_db.store.connect import local_place, open_store

if TYPE_CHECKING:
    from atlas_db.snapshot.online import OnlineAnswer
    from atlas_db.snapshot.repositories import Repositories
    from atlas_db.snapshot.targets import Targets

SUFFIX = ".parquet"
"""Ending of a snapshot's file, by which the address of a store is known to be one."""
CACHE = "hub-records"
"""Folder in the cache for answers of the Hub."""


def is_snapshot(settings: Settings) -> bool:
    """Whether the settings name the file of a snapshot: no engine starts for one."""
    return settings.store.lower().endswith(SUFFIX)


def open_atlas(settings: Settings, *, to_read: bool = False) -> Store:
    """Open the store of the settings, or the snapshot that they name.

    Args:
        settings: The settings.
        to_read: True where nothing will be written. A local store that was never made is then empty, and no engine is
            started for it.

    Raises:
        InputError: The file is no snapshot, or is not there.
        StoreError: The store cannot be opened.
    """
    if is_snapshot(settings):
        from atlas_db.snapshot.snapshot_file import SnapshotFile
        from atlas_db.snapshot.table_store import TableStore

        file = expanded(settings.store)
        if not file.is_file():
            raise InputError(f"there is no file {settings.store}", hint="Write it: atlas-db snapshot FILE")
        return TableStore(settings.store, SnapshotFile(file))
    place = local_place(settings)
    if to_read and place is not None and not place[1].exists():
        from atlas_db.snapshot.repositories import KeptRepositories
        from atlas_db.snapshot.table_store import TableStore

        return TableStore(settings.store, KeptRepositories())
    return open_store(settings)


def repositories_of(store: Store) -> Repositories:
    """Return the repositories of an opened atlas."""
    from atlas_db.snapshot.repositories import StoredRepositories
    from atlas_db.snapshot.table_store import TableStore

    return store.repositories if isinstance(store, TableStore) else StoredRepositories(store)


def request_missing(
    store: Store, home: Path, targets: Targets, progress: Progress = lambda *_: None
) -> tuple[Store, OnlineAnswer]:
    """Request from the Hub for what an atlas lacks of the lineage of models.

    Args:
        store: The atlas.
        home: Home folder; answers are kept in it.
        targets: The models. Names that the Hub replaced are replaced in them.
        progress: Called with the progress.

    Returns:
        The atlas with what the Hub added, in memory, and what was requested.

    Raises:
        HubError: The Hub does not answer.
    """
    from atlas_db.snapshot.online import complete_lineage
    from atlas_db.snapshot.table_store import TableStore
    from ingest.hub.single_records import HubRecords

    records = HubRecords(cache_folder(home) / CACHE)
    read = [each for folder in targets.folders for each in folder.with_local()]
    names = [*targets.ids, *(claim.name for each in read for claim in each.record.parents)]
    data = [dataset for each in read for dataset in each.data()]
    today = datetime.now(UTC).date().isoformat()
    answer = complete_lineage(
        repositories_of(store), names, data, records.record, today, progress, offline=records.offline
    )
    targets.folders = [folder.with_names(answer.renamed) for folder in targets.folders]
    targets.ids = [answer.renamed.get(each, each) for each in targets.ids]
    return TableStore(store.name, answer.repositories), answer
