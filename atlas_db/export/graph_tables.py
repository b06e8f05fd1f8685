"""The graph as tables: one a node label, one a pair of labels that a relationship type joins, each streamed in batches.

Columns are the properties of the schema. Dates and times, which the graph holds as texts, are dates and times here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from atlas_db.columnar.arrow_columns import ARROW_TYPES
from atlas_db.columnar.typed_columns import DAY, MOMENT, TIME_UNITS, to_times
from atlas_db.core.errors import UsageError, did_you_mean
from atlas_db.core.schema import SCHEMA, NodeType, Property, RelationshipType
from atlas_db.core.terms import Progress
from atlas_db.store.bolt import Store
from atlas_db.store.statements import count_nodes, read_edges, read_nodes, some_edges, some_nodes

LINEAGE = ("Model", "DERIVED_FROM")
"""Tables of a graph of lineage: the models, and the fused edges from child to parent."""
ENDS = ("start", "end")
"""Columns of an edge table: ids of both ends."""
IDS_AT_ONCE = 5000
NODES_AT_ONCE, STARTS_AT_ONCE = 100_000, 1_000_000
"""Nodes that one answer covers, of nodes and of edges that leave them.

Each answer scans the nodes before it again, so larger ones are faster.
"""
READERS = 2
"""Answers under way: the engine computes one while another is decoded here."""
_NOT_EXPORTED = "Atlas"
"""The node that identifies a store: the manifest of an export states what it holds."""


@dataclass(frozen=True, slots=True)
class GraphTable:
    """Nodes of one label, or edges of one type between two labels.

    Attributes:
        name: `Model`; or `HAS_LICENSE`, with both labels where the type joins several: `HAS_LICENSE.Dataset.License`.
        kind: Label or relationship type.
        start: Label of the start; empty for nodes.
        end: Label of the end; empty for nodes.
        schema: Columns with their types; the description of each is in the metadata of its field.
    """

    name: str
    kind: str
    start: str
    end: str
    schema: pa.Schema

    @property
    def nodes(self) -> bool:
        """True for nodes."""
        return not self.start

    def stream(self, store: Store, progress: Progress = lambda *_: None) -> Iterator[pa.RecordBatch]:
        """Yield all rows in batches, in the engine's order; null where a node or an edge lacks a property.

        The engine answers for some nodes at a time, so neither side ever holds more than that. Progress counts nodes:
        to count edges takes as long as to read them.
        """
        names = tuple(name for name in self.schema.names if name not in ENDS)
        statement = some_nodes(self.kind, names) if self.nodes else some_edges(self.kind, self.start, self.end, names)
        nodes = int(store.read(count_nodes(self.start or self.kind))[0]["n"])
        step = NODES_AT_ONCE if self.nodes else STARTS_AT_ONCE
        waiting: deque[Future[list[pa.RecordBatch]]] = deque()
        with ThreadPoolExecutor(READERS) as readers:
            for skip in range(0, nodes + READERS * step, step):
                if skip < nodes:
                    waiting.append(readers.submit(store.map_pages, statement, self._from_page, skip=skip, count=step))
                if len(waiting) == READERS or (waiting and skip >= nodes):
                    yield from waiting.popleft().result()
                    progress(f"export {self.name}", min(skip, nodes), nodes)

    def _from_page(self, page: list[list[Any]]) -> pa.RecordBatch:
        return to_batch(list(zip(*page, strict=True)), self.schema)

    def select(self, store: Store, ids: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the nodes of some ids, or the edges that leave them."""
        statement = read_nodes(self.kind) if self.nodes else read_edges(self.kind, self.start, self.end)
        for first in range(0, len(ids), IDS_AT_ONCE):
            found = store.read(statement, ids=list(ids[first : first + IDS_AT_ONCE]))
            rows = [each["props"] | ({} if self.nodes else {"start": each["a"], "end": each["b"]}) for each in found]
            if rows:
                yield to_batch([[row.get(name) for row in rows] for name in self.schema.names], self.schema)


@cache
def graph_tables() -> dict[str, GraphTable]:
    """Return all tables of a graph by name: nodes first, both in the order of the schema."""
    found = [_node_table(node) for node in SCHEMA.nodes if node.label != _NOT_EXPORTED]
    found += [_edge_table(rel, *ends) for rel in SCHEMA.relationships for ends in rel.ends]
    return {table.name: table for table in found}


def tables_named(names: Sequence[str]) -> list[GraphTable]:
    """Return tables by name, in the order of the schema; a type stands for all that it joins. All without names.

    Raises:
        UsageError: There is no such label or type; similar ones are suggested.
    """
    known = graph_tables()
    kinds = {table.kind for table in known.values()}
    for name in names:
        if name not in known and name not in kinds:
            hint = did_you_mean(name, [*kinds, *known]) or f"There are: {', '.join(dict.fromkeys([*kinds]))}"
            raise UsageError(f"the graph has no table {name!r}", hint=hint)
    return [table for table in known.values() if not names or table.name in names or table.kind in names]


def joined_tables(tables: Iterable[GraphTable]) -> tuple[list[GraphTable], list[GraphTable]]:
    """Return the node tables and the edge tables of a graph: with an edge table, both ends belong to it.

    Raises:
        UsageError: There is no edge table among them.
    """
    chosen = list(tables)
    edges = [table for table in chosen if not table.nodes]
    if not edges:
        raise UsageError("a graph needs edges", hint=f"Name a relationship type, too, such as {LINEAGE[1]}")
    labels = {table.kind for table in chosen if table.nodes} | {end for edge in edges for end in (edge.start, edge.end)}
    return [table for name, table in graph_tables().items() if name in labels], edges


def selected(store: Store, table: GraphTable, ids: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield chosen models, or the edges both of whose ends are among them.

    Raises:
        UsageError: The table is one of other nodes, which no model id chooses.
    """
    if (table.start or table.kind) != "Model" or (table.end or table.kind) != "Model":
        raise UsageError(f"a query chooses models, and {table.name} holds others", hint="Leave it out of --tables")
    known = pa.array(ids, pa.string())
    for batch in table.select(store, ids):
        yield batch if table.nodes else batch.filter(pc.is_in(batch["end"], value_set=known))


def _node_table(node: NodeType) -> GraphTable:
    return GraphTable(node.label, node.label, "", "", pa.schema(map(_field, node.properties)))


def _edge_table(rel: RelationshipType, start: str, end: str) -> GraphTable:
    name = rel.type if len(rel.ends) == 1 else f"{rel.type}.{start}.{end}"
    ends = [pa.field("start", pa.string()), pa.field("end", pa.string())]
    return GraphTable(name, rel.type, start, end, pa.schema([*ends, *map(_field, rel.properties)]))


def _field(prop: Property) -> pa.Field:
    words = {"description": prop.description, "unit": prop.unit}
    kind = TIME_UNITS.get(prop.unit, ARROW_TYPES[prop.type]) if prop.type == "string" else ARROW_TYPES[prop.type]
    return pa.field(prop.name, kind, metadata={key: value for key, value in words.items() if value})


def to_batch(columns: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return columns of plain values as Arrow: what is no time of its type becomes null."""
    return pa.record_batch([_array(*pair) for pair in zip(columns, schema.types, strict=True)], schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind in (DAY, MOMENT):
        return to_times(pa.array(values, pa.string()), kind)
    return pa.array(values, kind)
