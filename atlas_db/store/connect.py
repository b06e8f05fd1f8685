"""Opens a store by its address and checks its schema version."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from pathlib import Path

from atlas_db.core.errors import SchemaVersionError, StoreRefusedError, UsageError
from atlas_db.core.files import expanded, resolved
from atlas_db.core.schema import SCHEMA
from atlas_db.core.settings import Settings, cache_folder
from atlas_db.store.bolt import Store
from atlas_db.store.contents import DEMO
from atlas_db.store.engine_users import read_or_make_secret
from atlas_db.store.engines import ENGINES, Engine
from atlas_db.store.managed_engine import open_local
from atlas_db.store.statements import Statement, constraints

SCHEMA_TRIES, RETRY_SECONDS = 10, 0.5
"""Attempts to write the schema into an empty store, and seconds between two, at least."""
SCHEMES = frozenset({"bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"})
"""Schemes of a server's address that the driver knows."""
_READ_ATLAS = Statement("MATCH (a:Atlas {id: 'atlas'}) RETURN a.schema_version AS version, a.store_id AS store_id")
_WRITE_ATLAS = Statement(
    "MERGE (a:Atlas {id: 'atlas'}) SET a.schema_version = $version, a.store_id = coalesce(a.store_id, $store_id)"
)


def local_place(settings: Settings) -> tuple[Engine, Path] | None:
    """Return the engine and data directory of a local address, or None for a server's URL."""
    if settings.store == DEMO:
        return ENGINES["local"], settings.home / "stores" / DEMO
    name, _, folder = settings.store.partition(":")
    if name not in ENGINES:
        return None
    return ENGINES[name], (resolved(expanded(folder)) if folder else settings.home / "stores" / name)


def credentials(settings: Settings) -> tuple[str, str]:
    """Return user name and password of a store; those of a local engine are generated."""
    place = local_place(settings)
    if place is None:
        return settings.user, settings.password
    return place[0].users(read_or_make_secret(place[1])).owner


def connect(settings: Settings) -> Store:
    """Open the store of the settings without checking its schema.

    Raises:
        UsageError: The address has none of the three forms.
        StoreError: It cannot be reached or started.
    """
    place = local_place(settings)
    if place is not None:
        engine, directory = place
        local = open_local(
            engine,
            directory,
            heap=settings.heap,
            idle_minutes=settings.idle_minutes,
            cache=cache_folder(settings.home),
            version=settings.neo4j_version,
        )
        local.name, local.query_seconds = settings.store, settings.query_seconds
        return local
    scheme, separator, _ = settings.store.partition("://")
    if not separator or scheme not in SCHEMES:
        raise UsageError(
            f"{settings.store!r} is no address of a store",
            hint="Use local[:DIR], neo4j-local[:DIR], demo, bolt://… or neo4j+s://…",
        )
    store = Store(settings.store, user=settings.user, password=settings.password, database=settings.database)
    store.query_seconds = settings.query_seconds
    with ExitStack() as unless_open:
        unless_open.callback(store.close)
        store.ping()
        unless_open.pop_all()
    return store


def open_store(settings: Settings) -> Store:
    """Open the store of the settings and check its schema; an empty store gets the schema.

    Raises:
        SchemaVersionError: The store has another schema version.
    """
    store = connect(settings)
    with ExitStack() as unless_ours:
        unless_ours.callback(store.close)
        ensure_schema(store)
        unless_ours.pop_all()
    return store


def ensure_schema(store: Store) -> str:
    """Check the schema version; in an empty store write it, with the constraints.

    Indexes are built at the end of a load, because that is faster.

    Returns:
        The random id of the store.

    Raises:
        SchemaVersionError: The store has another schema version.
    """
    rows = store.read(_READ_ATLAS)
    if rows and rows[0]["version"] != SCHEMA.version:
        raise SchemaVersionError(
            f"the store has schema version {rows[0]['version']}, this program writes version {SCHEMA.version}",
            hint="Rebuild it in a new store: atlas-db load FILES --store local:NEWDIR, then chart, complete and "
            "audit again; or use the release of atlas-db that wrote this one",
        )
    return str(rows[0]["store_id"]) if rows else _write_schema(store)


def atlas_node(store_id: str) -> dict[str, object]:
    """Return the node that `ensure_schema` writes, by the random id of the store."""
    return {"id": "atlas", "schema_version": SCHEMA.version, "store_id": store_id}


def _write_schema(store: Store) -> str:
    """Write the schema into an empty store. Where another process does so too, engines refuse one of both for a while.

    Returns:
        The random id of the store.
    """
    for left in reversed(range(SCHEMA_TRIES)):
        try:
            store.apply_schema(constraints())
            store.write(lambda tx: tx.run(_WRITE_ATLAS, version=SCHEMA.version, store_id=secrets.token_hex(6)))
        except StoreRefusedError:
            if not left:
                raise
            time.sleep(RETRY_SECONDS * (1 + secrets.randbelow(100) / 100))
        else:
            break
    return str(store.read(_READ_ATLAS)[0]["store_id"])
