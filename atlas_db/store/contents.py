"""What a store holds, in numbers; errors for what it lacks, each of which suggests what to do next."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from atlas_db.core.errors import EmptyStoreError, ModelNotFoundError, QueryParameterError, did_you_mean
from atlas_db.core.schema import SCHEMA
from atlas_db.store.statements import Statement, all_nodes, count_edges, count_nodes, read_nodes

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store

DEMO = "demo"
"""Address of the demo's store, on the local engine."""
_LOCAL = "ArcadeDB"
"""Part of the name that the local engine gives."""
ANY_MODEL = Statement("MATCH (m:Model) RETURN m.id AS id LIMIT 1")
PART_OF_NAME = Statement(
    "MATCH (m:Model) WHERE toLower(m.name) CONTAINS $part RETURN m.id AS id, m.downloads AS downloads"
)
SAME_NAME = Statement("MATCH (m:Model) WHERE toLower(m.name) = $name RETURN m.id AS id, m.downloads AS downloads")
BEGINNING_OF_ID = Statement(
    "MATCH (m:Model) WHERE m.id STARTS WITH $beginning RETURN m.id AS id, m.downloads AS downloads LIMIT 5000"
)
PREFIX_OF_ID = Statement(
    "MATCH (m:Model) WHERE toLower(m.id) STARTS WITH $prefix RETURN m.id AS id, m.downloads AS downloads LIMIT 5000"
)
_STATISTICS = Statement("CALL meta.stats() YIELD value RETURN value.labels AS nodes, value.relTypes AS edges")


def count_contents(store: Store) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of nodes of each label, and of relationships of each type.

    Neo4j looks up such a number. ArcadeDB reads every node for it, but keeps the numbers in statistics of its own.
    """
    labels = [node.label for node in SCHEMA.nodes if node.label != "Atlas"]
    types = [kind.type for kind in SCHEMA.relationships]
    if _LOCAL in store.engine:
        counted = store.read(_STATISTICS)[0]
        nodes, edges = counted["nodes"], counted["edges"]
    else:
        nodes = {label: store.read(count_nodes(label))[0]["n"] for label in labels}
        edges = {name: store.read(count_edges(name))[0]["n"] for name in types}
    return {label: nodes.get(label, 0) for label in labels}, {name: edges.get(name, 0) for name in types}


def empty_store_error(name: str) -> EmptyStoreError:
    """Return the error for a store without models.

    Args:
        name: The store as it was named.
    """
    fill = "Load a list: atlas-db load FILE; atlas-db fetch FOLDER gets one, and atlas-db demo has a packaged one"
    return EmptyStoreError(f"the store {name} is empty", hint="Run atlas-db demo" if name == DEMO else fill)


def is_empty(store: Store) -> bool:
    """Return whether a store holds no model."""
    return not store.read(ANY_MODEL)


def require_models(store: Store) -> None:
    """Check that a store holds models.

    Raises:
        EmptyStoreError: It holds none.
    """
    if is_empty(store):
        raise empty_store_error(store.name)


def similar_models(store: Store, model: str) -> list[str]:
    """Return up to three ids of models that are similar to an unknown one."""
    name = model.rpartition("/")[2].lower()
    rows = store.read(SAME_NAME, name=name) or store.read(PREFIX_OF_ID, prefix=model.lower()[: max(3, len(model) - 4)])
    if not rows and len(name) >= 4:
        rows = store.read(PART_OF_NAME, part=name[: max(4, len(name) * 2 // 3)])
    popular = sorted(rows, key=lambda row: -(row["downloads"] or 0))[:2000]
    ids = [row["id"] for row in popular]
    return difflib.get_close_matches(model, ids, n=3, cutoff=0.5) or ids[:3]


def models_beginning(store: Store, prefix: str, limit: int) -> list[str]:
    """Return ids of models that begin so, the most downloaded of them first; in any case where none does as written.

    The index of ids serves what is written as the ids are. Other cases take a reading of all.
    """
    rows = store.read(BEGINNING_OF_ID, beginning=prefix) or store.read(PREFIX_OF_ID, prefix=prefix.lower())
    return [row["id"] for row in sorted(rows, key=lambda row: -(row["downloads"] or 0))[:limit]]


def require_node(store: Store, label: str, identifier: str) -> None:
    """Check that a store holds a node.

    Args:
        store: An open store.
        label: Label of the node.
        identifier: Its id.

    Raises:
        ModelNotFoundError: There is no such model; similar ids are suggested.
        QueryParameterError: There is no other such node; similar ids are suggested.
    """
    if store.read(read_nodes(label), ids=[identifier]):
        return
    if label == "Model":
        raise ModelNotFoundError(identifier, similar_models(store, identifier))
    ids = [entry[0] for entry in store.fetch_all(all_nodes(label, ("id",)))]
    hint = did_you_mean(identifier, ids) or f"List them: MATCH (n:{label}) RETURN n.id, with atlas-db query -"
    raise QueryParameterError(f"the atlas has no {label.lower()} {identifier!r}", hint=hint)
