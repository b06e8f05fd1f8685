"""Dates of the newest records of an atlas: what is younger, it cannot know."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from atlas_db.claims.runs import list_runs
from atlas_db.core.extras import DISTRIBUTION
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import SOFTWARE, RecordKind
from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import Statement

NEWEST_MODEL = Statement("MATCH (n:Model {placeholder: false}) RETURN max(n.last_seen) AS date")
LOADS = Statement("MATCH (r:Run {kind: 'load'}) RETURN r.counts AS counts")
NEWEST_DATASET = Statement("MATCH (n:Dataset {placeholder: false}) RETURN max(n.last_seen) AS date")


class NewestRecords(NamedTuple):
    """Dates of the newest records of an atlas.

    Attributes:
        models: Date of the newest record of a model, empty where there is none.
        datasets: Date of the newest record of a dataset, empty where there is none.
    """

    models: str
    datasets: str

    def words(self, kind: RecordKind = RecordKind.MODEL) -> str:
        """Return the date of the newest record of a kind, in words."""
        date = self.models if kind is RecordKind.MODEL else self.datasets
        return f"newest record {date}" if date else f"no record of any {kind}"


def read_newest_records(store: Store) -> NewestRecords:
    """Return the dates of the newest records of a store. Snapshots give them, not the clock.

    Each load states the newest date of its records by kind, also while it goes on, and nothing else brings records.
    Where a load of an older version does not, all records are read. Their dates are kept for `KEPT_SECONDS`, else each
    reader would read all anew.
    """
    loads = store.read(LOADS)
    stated = [_stated_dates(each["counts"]) for each in loads]
    dates = [each for each in stated if each is not None]
    if loads and len(dates) == len(loads):
        kinds = (RecordKind.MODEL, RecordKind.DATASET)
        return NewestRecords(*(max((each.get(kind, "") for each in dates), default="") for kind in kinds))
    with _LOCK:
        kept = _KEPT.get(store)
        if not loads or kept is None or monotonic() > kept.until:
            kept = _KEPT[store] = _Kept(_scan(store), monotonic() + KEPT_SECONDS)
    return kept.records


class _LoadCounts(msgspec.Struct):
    """What is read of the counts of a load; loads before November 2026 state no dates."""

    newest: dict[str, str] | None = None


def _stated_dates(counts: str | None) -> dict[str, str] | None:
    return msgspec.json.decode(counts, type=_LoadCounts).newest if counts else None


class _Kept(NamedTuple):
    records: NewestRecords
    until: float


KEPT_SECONDS = 30.0
_LOCK = Lock()
"""Of many readers, one reads all records."""
_KEPT: WeakKeyDictionary[Store, _Kept] = WeakKeyDictionary()


def _scan(store: Store) -> NewestRecords:
    return NewestRecords(*(store.read(each)[0]["date"] or "" for each in (NEWEST_MODEL, NEWEST_DATASET)))


class GraphVersion(msgspec.Struct, frozen=True):
    """What identifies the graph that numbers or files come from.

    Attributes:
        software: This program and its version.
        schema_version: Version of the graph's schema.
        store_id: Random id of the store.
        newest_run: Id of the newest run, with a mark where it is not complete; empty where there is none.
        newest_model_record: Date of the newest record of a model.
        newest_dataset_record: Date of the newest record of a dataset.
    """

    software: str
    schema_version: int
    store_id: str
    newest_run: str
    newest_model_record: str
    newest_dataset_record: str


def read_graph_version(store: Store) -> GraphVersion:
    """Return what identifies the graph of a store as it is now."""
    from importlib.metadata import version  # slow to import, and few verbs ask for it

    runs = list_runs(store)
    mark = "" if not runs or runs[0]["complete"] else " (incomplete)"
    newest = f"{runs[0]['id']}{mark}" if runs else ""
    software = f"{SOFTWARE} {version(DISTRIBUTION)}"
    return GraphVersion(software, SCHEMA.version, ensure_schema(store), newest, *read_newest_records(store))
