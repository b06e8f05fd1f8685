"""Nodes and edges of a store as Arrow tables; each page is converted as it arrives and then freed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from atlas_db.core.schema import SCHEMA, Property
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement, all_edges, all_nodes

ARROW_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "string[]": pa.list_(pa.string()),
}
"""Arrow's type of each type of property in the schema."""


def node_columns(store: Store, label: str, names: tuple[str, ...]) -> pa.Table:
    """Return properties of all nodes of a label, in any order, null where a node lacks one."""
    return _table(store, all_nodes(label, names), _schema(SCHEMA.node(label).properties, names))


def edge_columns(
    store: Store, rel: str, source: str, target: str, names: tuple[str, ...], /, **matching: str
) -> pa.Table:
    """Return `start` and `end`, ids of nodes, and properties of all edges of a type, in any order.

    Args:
        store: The store.
        rel: Relationship type.
        source: Label of the start.
        target: Label of the end.
        names: Properties to return.
        matching: Values that further properties must equal.
    """
    ends = [pa.field("start", pa.string()), pa.field("end", pa.string())]
    fields = _schema(SCHEMA.relationship(rel).properties, names)
    statement = all_edges(rel, source, target, names, tuple(matching))
    return _table(store, statement, pa.schema([*ends, *fields]), **matching)


def _schema(properties: Iterable[Property], names: tuple[str, ...]) -> pa.Schema:
    types = {prop.name: ARROW_TYPES[prop.type] for prop in properties}
    return pa.schema([pa.field(name, types[name]) for name in names])


def _table(store: Store, statement: Statement, schema: pa.Schema, **parameters: str) -> pa.Table:
    def to_batch(page: list[list[Any]]) -> pa.RecordBatch:
        columns = zip(*page, strict=True)
        return pa.record_batch([pa.array(*pair) for pair in zip(columns, schema.types, strict=True)], schema)

    return pa.Table.from_batches(store.map_pages(statement, to_batch, **parameters), schema).combine_chunks()
