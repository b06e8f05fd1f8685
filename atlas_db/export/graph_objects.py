"""The graph as objects of networkx and PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from atlas_db.columnar.read import encode_categories, lists_containing
from atlas_db.columnar.typed_columns import DAY, MOMENT
from atlas_db.core.arrays import Doubles, Integers
from atlas_db.core.terms import Source
from atlas_db.export.graph_files import EDGE_TYPE, NODE_TYPE, is_multigraph, node_key
from atlas_db.export.graph_tables import ENDS, GraphTable

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data import HeteroData

CATEGORIES = (
    "license",
    "pipeline_tag",
    "library_name",
    "model_type",
    "gated",
    "audit_verdict",
    "relation",
    "status",
    "source",
    "method",
    "resolution",
)
"""Text properties that become codes; other texts have no tensor, and stay in the tables."""
Tables = Mapping[GraphTable, pa.Table]
Tensors = dict[str, Any]


def to_networkx(nodes: Tables, edges: Tables) -> nx.DiGraph:
    """Return a directed graph; a MultiDiGraph where several edges may join one pair of nodes.

    Args:
        nodes: Rows of each node table.
        edges: Rows of each edge table; both ends of each edge are among the nodes.

    Returns:
        The graph. Attributes are the properties that a node or an edge has, with its `node_type` or `edge_type`.
    """
    import networkx as nx

    graph = nx.MultiDiGraph() if is_multigraph(list(edges)) else nx.DiGraph()
    for table, rows in nodes.items():
        for row in _rows(rows):
            graph.add_node(node_key(table.kind, row.pop("id")), **{NODE_TYPE: table.kind}, **row)
    for table, rows in edges.items():
        for row in _rows(rows):
            start, end = node_key(table.start, row.pop("start")), node_key(table.end, row.pop("end"))
            graph.add_edge(start, end, **{EDGE_TYPE: table.kind}, **row)
    return graph


def _rows(table: pa.Table) -> Any:  # noqa: ANN401
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield {name: value for name, value in row.items() if value is not None}


def sorted_nodes(nodes: Tables) -> dict[GraphTable, pa.Table]:
    """Return node tables in ascending order of ids: a node's row is its index in tensors."""
    return {table: rows.sort_by("id").combine_chunks() for table, rows in nodes.items()}


def to_tensors(nodes: Tables, edges: Tables) -> tuple[dict[tuple[str, ...], Tensors], dict[str, list[str]]]:
    """Return the columns that can be numbers, as arrays, and the values of those that are codes.

    Numbers and seconds since 1970 are float64, NaN where unknown. Booleans are false where unknown. Categories are
    codes (int64), -1 where unknown. `sources` of an edge become the flags `declared`, `inferred` and `predicted`.

    Args:
        nodes: Rows of each node table, in ascending order of ids.
        edges: Rows of each edge table; both ends of each edge are among the nodes.

    Returns:
        Arrays by name, for each label as `(label,)` and each kind of edge as `(start, type, end)`. `node_id` counts the
        nodes, and `edge_index` (int64) has shape (2, edges). And the values of each category, by `label.property`.
    """
    places = {table.kind: rows["id"].combine_chunks() for table, rows in nodes.items()}
    found: dict[tuple[str, ...], Tensors] = {}
    categories: dict[str, list[str]] = {}
    for table, rows in nodes.items():
        found[table.kind,] = {"node_id": np.arange(len(rows)), **_arrays(rows, table.kind, categories)}
    for table, rows in edges.items():
        index = np.stack(
            [_positions(rows[side], places[label]) for side, label in zip(ENDS, (table.start, table.end), strict=True)]
        )
        arrays = _arrays(rows, f"{table.start}/{table.kind}/{table.end}", categories)
        found[table.start, table.kind, table.end] = {"edge_index": index, **arrays}
    return found, categories


def _positions(ids: pa.ChunkedArray, known: pa.Array) -> Integers:
    return np.asarray(pc.index_in(ids, value_set=known).to_numpy(), np.int64)


def _arrays(rows: pa.Table, owner: str, categories: dict[str, list[str]]) -> Tensors:
    found: Tensors = {}
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        kind, values = column.type, column.combine_chunks()
        if pa.types.is_boolean(kind):
            found[name] = values.fill_null(False).to_numpy(zero_copy_only=False)
        elif kind in (DAY, MOMENT):
            stamps = values.cast(pa.timestamp("us", "UTC") if kind == MOMENT else pa.timestamp("s"))
            found[name] = _floats(stamps.cast(pa.int64())) / (1e6 if kind == MOMENT else 1)
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            found[name] = _floats(values)
        elif name in CATEGORIES:
            categories[f"{owner}.{name}"], found[name] = encode_categories(values)
        elif name == "sources":
            found |= {source.value: lists_containing(values, source) for source in Source}
    return found


def _floats(values: pa.Array) -> Doubles:
    return np.asarray(values.cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False))


def to_pyg(nodes: Tables, edges: Tables) -> HeteroData:
    """Return a heterogeneous graph of PyTorch Geometric, with the tensors of `to_tensors`.

    Each label also has `ids`, and `categories` the values of its codes; so has each kind of edge.
    """
    import torch
    from torch_geometric.data import HeteroData

    ordered = sorted_nodes(nodes)
    arrays, categories = to_tensors(ordered, edges)
    data = HeteroData()
    for key, columns in arrays.items():
        store = data[key if len(key) > 1 else key[0]]
        for name, values in columns.items():
            store[name] = torch.tensor(values) if isinstance(values, np.ndarray) else values
        owner = "/".join(key)
        store["categories"] = {
            name.rpartition(".")[2]: values for name, values in categories.items() if name.rpartition(".")[0] == owner
        }
    for table, rows in ordered.items():
        data[table.kind]["ids"] = rows["id"].to_pylist()
    return data


def edges_among(nodes: Tables, edges: Tables) -> dict[GraphTable, pa.Table]:
    """Return the edges both of whose ends are among the nodes."""
    known = {table.kind: rows["id"].combine_chunks() for table, rows in nodes.items()}
    return {
        table: rows.filter(
            pc.and_(
                pc.is_in(rows["start"], value_set=known[table.start]), pc.is_in(rows["end"], value_set=known[table.end])
            )
        )
        for table, rows in edges.items()
    }
