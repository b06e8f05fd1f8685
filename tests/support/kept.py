"""Rows of the Hub as repositories in memory: an atlas without an engine."""

from __future__ import annotations

import json
from typing import Any

from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind
from atlas_db.snapshot.online import OnlineAnswer, complete_lineage
from atlas_db.snapshot.repositories import KeptRepositories
from atlas_db.snapshot.table_store import TableStore
from ingest.hub.decode import decode_record

TODAY = "2026-11-29"


def answered(rows: list[dict[str, Any]], *models: str, base: KeptRepositories | None = None) -> OnlineAnswer:
    """Return what a Hub of these rows adds to an atlas, asked for models and what is above them."""
    records = [decode_record(json.dumps(row).encode()) for row in rows]
    known = {(record.kind, record.id): record for record in records}

    def ask(kind: RecordKind, identifier: str) -> HubRecord | None:
        return known.get((kind, identifier))

    data = [record.id for record in records if record.kind is RecordKind.DATASET]
    return complete_lineage(base or KeptRepositories(), models or [r.id for r in records], data, ask, TODAY)


def kept_store(rows: list[dict[str, Any]]) -> TableStore:
    """Return rows of the Hub as a store in memory."""
    return TableStore("kept", answered(rows).repositories)
