"""A graph into one file: GraphML, GEXF, or the node-link JSON that networkx reads. Streamed: nodes first, then edges.

GraphML: graphml.graphdrawing.org, version 1.0. GEXF: gexf.net, version 1.3. Lists are JSON, dates and times ISO 8601.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import XMLGenerator

import pyarrow as pa

from atlas_db.core.safe_text import visible
from atlas_db.export.graph_tables import ENDS, GraphTable

Rows = Iterator[dict[str, Any]]
NODE_TYPE, EDGE_TYPE = "node_type", "edge_type"
"""Attributes with the label of a node, and with the type of an edge."""


def node_key(label: str, identifier: str) -> str:
    """Return the id of a node in a graph of several labels: a model's own; others have their label before it.

    A model, a dataset and a licence may have the same id. No Hub id holds a colon.
    """
    return identifier if label == "Model" else f"{label}:{identifier}"


class GraphWriter(ABC):
    """Writes one file. Give it all nodes, then all edges.

    Args:
        file: Where to write.
        nodes: Node tables whose columns will occur.
        edges: Edge tables whose columns will occur.
    """

    def __init__(self, file: IO[bytes], nodes: Sequence[GraphTable], edges: Sequence[GraphTable]) -> None:
        self.file = file
        self.node_fields = {NODE_TYPE: pa.string(), **_fields(nodes)}
        self.edge_fields = {EDGE_TYPE: pa.string(), **_fields(edges)}
        self.edges_written = 0

    @abstractmethod
    def begin(self) -> None:
        """Write what stands before the nodes."""

    @abstractmethod
    def node(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write a node."""

    @abstractmethod
    def between(self) -> None:
        """Write what stands between nodes and edges."""

    @abstractmethod
    def edge(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write an edge."""

    @abstractmethod
    def end(self) -> None:
        """Write what stands after the edges."""


def _fields(tables: Sequence[GraphTable]) -> dict[str, pa.DataType]:
    """Return the attributes of nodes or edges with their types; the first of equal names counts."""
    found: dict[str, pa.DataType] = {}
    for table in tables:
        for field in table.schema:
            if field.name not in ENDS:
                found.setdefault(field.name, field.type)
    return found


def _ends(table: GraphTable, row: dict[str, Any]) -> tuple[str, str]:
    return node_key(table.start, row["start"]), node_key(table.end, row["end"])


def _text(value: object) -> str:
    """Return a value as the text of an attribute in XML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return visible(value)
        case date():
            return value.isoformat()
        case list():
            return visible(json.dumps(value, ensure_ascii=False))
        case _:
            return str(value)


class _XmlWriter(GraphWriter):
    """What both formats of XML share."""

    def __init__(self, file: IO[bytes], nodes: Sequence[GraphTable], edges: Sequence[GraphTable]) -> None:
        super().__init__(file, nodes, edges)
        self.xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        self.node_ids = {name: f"n{place}" for place, name in enumerate(self.node_fields)}
        self.edge_ids = {name: f"e{place}" for place, name in enumerate(self.edge_fields)}

    def _open(self, name: str, **attributes: str) -> None:
        self.xml.startElement(name, attributes)  # type: ignore[arg-type]

    def _element(self, name: str, text: str = "", **attributes: str) -> None:
        self.xml.startElement(name, attributes)  # type: ignore[arg-type]
        if text:
            self.xml.characters(text)
        self.xml.endElement(name)

    def _close(self, *names: str) -> None:
        for name in names:
            self.xml.endElement(name)

    def _next_edge(self) -> str:
        self.edges_written += 1
        return str(self.edges_written)


class GraphmlWriter(_XmlWriter):
    """GraphML."""

    def begin(self) -> None:
        """Declare the attributes."""
        self.xml.startDocument()
        self._open("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
        for side, fields, ids in (("node", self.node_fields, self.node_ids), ("edge", self.edge_fields, self.edge_ids)):
            for name, kind in fields.items():
                self._element(
                    "key", id=ids[name], **{"for": side, "attr.name": name, "attr.type": _attribute_type(kind)}
                )
        self._open("graph", id="atlas", edgedefault="directed")

    def node(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write a node."""
        self._open("node", id=visible(node_key(table.kind, row["id"])))
        self._data(self.node_ids, {NODE_TYPE: table.kind, **row})
        self._close("node")

    def between(self) -> None:
        """Nothing stands there."""

    def edge(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write an edge."""
        start, end = _ends(table, row)
        self._open("edge", id=self._next_edge(), source=visible(start), target=visible(end))
        self._data(self.edge_ids, {EDGE_TYPE: table.kind, **row})
        self._close("edge")

    def _data(self, ids: dict[str, str], row: dict[str, Any]) -> None:
        for name, value in row.items():
            if value is not None and name not in ENDS:
                self._element("data", _text(value), key=ids[name])

    def end(self) -> None:
        """Close the document."""
        self._close("graph", "graphml")
        self.xml.endDocument()


class GexfWriter(_XmlWriter):
    """GEXF."""

    def begin(self) -> None:
        """Declare the attributes."""
        self.xml.startDocument()
        self._open("gexf", xmlns="http://gexf.net/1.3", version="1.3")
        self._open("graph", defaultedgetype="directed", mode="static")
        for side, fields, ids in (("node", self.node_fields, self.node_ids), ("edge", self.edge_fields, self.edge_ids)):
            self._open("attributes", **{"class": side})
            for name, kind in fields.items():
                self._element("attribute", id=ids[name], title=name, type=_attribute_type(kind))
            self._close("attributes")
        self._open("nodes")

    def node(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write a node."""
        key = visible(node_key(table.kind, row["id"]))
        self._open("node", id=key, label=key)
        self._values(self.node_ids, {NODE_TYPE: table.kind, **row})
        self._close("node")

    def between(self) -> None:
        """Close the nodes, and begin the edges."""
        self._close("nodes")
        self._open("edges")

    def edge(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write an edge."""
        start, end = _ends(table, row)
        self._open("edge", id=self._next_edge(), source=visible(start), target=visible(end), kind=table.kind)
        self._values(self.edge_ids, {EDGE_TYPE: table.kind, **row})
        self._close("edge")

    def _values(self, ids: dict[str, str], row: dict[str, Any]) -> None:
        self._open("attvalues")
        for name, value in row.items():
            if value is not None and name not in ENDS:
                self._element("attvalue", **{"for": ids[name], "value": _text(value)})
        self._close("attvalues")

    def end(self) -> None:
        """Close the document."""
        self._close("edges", "graph", "gexf")
        self.xml.endDocument()


class NodeLinkWriter(GraphWriter):
    """The node-link JSON of networkx (`networkx.node_link_graph`)."""

    def __init__(self, file: IO[bytes], nodes: Sequence[GraphTable], edges: Sequence[GraphTable]) -> None:
        super().__init__(file, nodes, edges)
        self._separator = ""
        self._multigraph = is_multigraph(edges)

    def begin(self) -> None:
        """Write the head."""
        several = json.dumps(self._multigraph)
        self.file.write(f'{{"directed": true, "multigraph": {several}, "graph": {{}}, "nodes": ['.encode())

    def node(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write a node."""
        self._object({"id": node_key(table.kind, row["id"]), NODE_TYPE: table.kind}, row)

    def between(self) -> None:
        """Close the nodes, and begin the edges."""
        self.file.write(b'\n], "edges": [')
        self._separator = ""

    def edge(self, table: GraphTable, row: dict[str, Any]) -> None:
        """Write an edge."""
        start, end = _ends(table, row)
        self.edges_written += 1
        key = {"key": self.edges_written} if self._multigraph else {}
        self._object({"source": start, "target": end, **key, EDGE_TYPE: table.kind}, row)

    def _object(self, first: dict[str, Any], row: dict[str, Any]) -> None:
        rest = {name: value for name, value in row.items() if value is not None and name not in (*ENDS, "id")}
        text = json.dumps(first | rest, ensure_ascii=False, default=_iso)
        self.file.write(f"{self._separator}\n{text}".encode("utf-8", errors="replace"))
        self._separator = ","

    def end(self) -> None:
        """Close the document."""
        self.file.write(b"\n]}\n")


GRAPH_WRITERS: dict[str, type[GraphWriter]] = {
    "graphml": GraphmlWriter,
    "gexf": GexfWriter,
    "networkx": NodeLinkWriter,
}
GRAPH_FILES = {"graphml": "graph.graphml", "gexf": "graph.gexf", "networkx": "graph.json"}
"""Name of the file of each format."""


def is_multigraph(edges: Sequence[GraphTable]) -> bool:
    """Return whether several edges may join one pair of nodes: all but fused lineage alone."""
    return [table.kind for table in edges] != ["DERIVED_FROM"]


def write_graph(
    path: Path,
    form: str,
    nodes: dict[GraphTable, Iterator[pa.RecordBatch]],
    edges: dict[GraphTable, Iterator[pa.RecordBatch]],
) -> dict[str, int]:
    """Write a graph into one file; return the number of rows of each table.

    Args:
        path: The file.
        form: graphml, gexf or networkx.
        nodes: Batches of each node table.
        edges: Batches of each edge table.
    """
    rows: dict[str, int] = {}
    with path.open("wb", buffering=1 << 20) as file:
        writer = GRAPH_WRITERS[form](file, list(nodes), list(edges))
        writer.begin()
        for side, write in ((nodes, writer.node), (edges, writer.edge)):
            for table, batches in side.items():
                rows[table.name] = 0
                for batch in batches:
                    rows[table.name] += batch.num_rows
                    for row in batch.to_pylist():
                        write(table, row)
            if side is nodes:
                writer.between()
        writer.end()
    return rows


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _attribute_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "long"
    if pa.types.is_floating(kind):
        return "double"
    return "boolean" if pa.types.is_boolean(kind) else "string"
