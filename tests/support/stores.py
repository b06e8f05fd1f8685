"""A store as a test begins with it."""

from __future__ import annotations

from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import Statement

WIPE = Statement("MATCH (n) DETACH DELETE n")


def wipe(store: Store) -> None:
    store.write(lambda tx: tx.run(WIPE))
    ensure_schema(store)
