"""Dates of the newest records of an atlas: what is younger, it cannot know."""

from __future__ import annotations

from typing import NamedTuple

from atlas_db.core.terms import RecordKind
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement

NEWEST_MODEL = Statement("MATCH (n:Model {placeholder: false}) RETURN max(n.last_seen) AS date")
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
    """Return the dates of the newest records of a store. Snapshots give them, not the clock."""
    return NewestRecords(*(store.read(each)[0]["date"] or "" for each in (NEWEST_MODEL, NEWEST_DATASET)))
