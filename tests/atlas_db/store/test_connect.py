"""Tests of `atlas_db/store/connect.py`."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from atlas_db.core.errors import SchemaVersionError, StoreUnavailableError
from atlas_db.core.schema import SCHEMA
from atlas_db.core.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, ensure_schema
from atlas_db.store.statements import merge_nodes
from tests.support.stores import wipe

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("version", [SCHEMA.version - 1, SCHEMA.version + 1])
def test_another_schema_version_is_refused(store: Store, version: int) -> None:
    store.write(lambda tx: tx.run_batch(merge_nodes("Atlas"), [{"id": "atlas", "set": {"schema_version": version}}]))
    message = rf"version {version}, this program writes version {SCHEMA.version}.*atlas-db load FILES --store local:NEW"
    try:
        with pytest.raises(SchemaVersionError, match=message):
            ensure_schema(store)
    finally:
        wipe(store)  # the engine is shared, and other tests open it with its schema checked


@pytest.mark.engine
@pytest.mark.slow
def test_a_server_without_bolt_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"bolt://127.0.0.1:{server.getsockname()[1]}"
        server.close()
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            connect(Settings(home=Path(), store=address))
