"""Models that are newer than an atlas, and names in messages about what an audit could not see."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_db.lineage.newest_records import NewestRecords
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement

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
