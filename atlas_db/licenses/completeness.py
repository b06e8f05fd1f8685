"""What an audit could not see: an empty atlas, repositories without a record, and models newer than the atlas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from atlas_db.core.terms import RecordKind
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement

_NEWEST_MODEL = Statement("MATCH (n:Model {placeholder: false}) RETURN max(n.last_seen) AS date")
_NEWEST_DATASET = Statement("MATCH (n:Dataset {placeholder: false}) RETURN max(n.last_seen) AS date")
_DATES = Statement(
    "UNWIND $ids AS id MATCH (m:Model {id: id}) WHERE substring(coalesce(m.created_at, ''), 0, 10) > $date "
    "OR substring(coalesce(m.last_modified, ''), 0, 10) > $date RETURN m.id AS id ORDER BY id"
)
_ALL_DATES = Statement(
    "MATCH (m:Model) WHERE substring(coalesce(m.created_at, ''), 0, 10) > $date "
    "OR substring(coalesce(m.last_modified, ''), 0, 10) > $date RETURN m.id AS id ORDER BY id"
)
_NAMED = 3
"""Names in a message, at most."""


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
    """Return the dates of the newest records of a store. Snapshots give them, not the clock."""
    return NewestRecords(*(store.read(each)[0]["date"] or "" for each in (_NEWEST_MODEL, _NEWEST_DATASET)))


def newer_models(store: Store, newest: NewestRecords, models: Sequence[str] | None = None) -> list[str]:
    """Return the models that were created or changed after the newest record.

    Args:
        store: The store.
        newest: Dates of its newest records.
        models: Model ids; None for all.
    """
    if not newest.models:
        return []
    if models is None:
        return [row["id"] for row in store.read(_ALL_DATES, date=newest.models)]
    return [row["id"] for row in store.read(_DATES, ids=list(models), date=newest.models)]


def named(paths: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
