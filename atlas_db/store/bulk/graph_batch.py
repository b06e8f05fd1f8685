"""Nodes and edges of a first load, sent to the local engine's own bulk import.

ArcadeDB takes lines of JSON at `/api/v1/batch` of its HTTP port on loopback, nodes before edges. It writes them by
GraphBatch, in less than half the time of the same rows in Cypher (`docs/results/performance.md`). It answers with the
record id of each node, by which later batches name it.
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from atlas_db.core.errors import StoreRefusedError, StoreUnavailableError
from atlas_db.core.schema import SCHEMA, Schema
from atlas_db.store.bulk.first_load import first_load

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store

MAX_BYTES = 16 * 2**20
"""Size from which a batch is sent: some 10,000 models with their claims. The engine refuses more than 100 MiB."""
EDGE_BYTES = 250
"""Size of an edge, about; it is encoded as it is sent."""
ANSWER_SECONDS = 600.0
"""Seconds for which an answer is awaited."""
_NONE: Mapping[str, Any] = MappingProxyType({})
_AGAIN = "Run the same command again: an interrupted first load starts anew"


class BatchEndpoint(NamedTuple):
    """Where a local engine takes batches.

    Attributes:
        directory: Its data directory.
        port: Its HTTP port on 127.0.0.1.
        user: Name of its owner.
        password: Password of its owner.
        database: Name of the database.
    """

    directory: Path
    port: int
    user: str
    password: str
    database: str


class _Answer(msgspec.Struct, rename="camel"):
    """Answer to a batch."""

    vertices_created: int
    edges_created: int
    id_mapping: dict[str, str] = msgspec.field(default_factory=dict)


class _Edges(NamedTuple):
    """Edges of one type, as `GraphBatch.edges` takes them."""

    rel: str
    source: str
    target: str
    rows: Sequence[Sequence[Any]]
    names: Sequence[str]
    common: Mapping[str, Any]


class GraphBatch:
    """Nodes and edges on their way into an empty store.

    Use as a context manager. What was sent is in the store, but until the end the load counts as cut off. What is large
    enough is sent by itself, while the next nodes are added.

    Args:
        store: The store; it holds no nodes but its description.
        endpoint: Where its engine takes batches.
    """

    def __init__(self, store: Store, endpoint: BatchEndpoint) -> None:
        self._store = store
        self._endpoint = endpoint
        self._encoder = msgspec.json.Encoder()
        self._record_ids: dict[str, dict[str, str]] = defaultdict(dict)
        self._new: list[tuple[str, str]] = []
        self._nodes: list[bytes] = []
        self._edges: list[_Edges] = []
        self._bytes = 0
        self._sender = ThreadPoolExecutor(1)
        self._sent: Future[None] | None = None
        self._on_exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as unless_ready:
            unless_ready.enter_context(first_load(self._endpoint.directory))
            unless_ready.callback(self._sender.shutdown)
            for text in declarations():
                self._post("command", self._encoder.encode({"language": "sql", "command": text}))
            self._on_exit = unless_ready.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._on_exit.__exit__(kind, value, trace)

    def node(self, label: str, props: Mapping[str, Any]) -> None:
        """Add a node that is not in the store; properties that are None are left out."""
        place = f"{len(self._new)}"
        self._new.append((label, props["id"]))
        line = {"@type": "vertex", "@class": label, "@id": place}
        line |= {name: value for name, value in props.items() if value is not None}
        self._nodes.append(self._encoder.encode(line))
        self._send_if_large(len(self._nodes[-1]))

    def edges(
        self, rel: str, source: str, target: str, rows: Sequence[Sequence[Any]], names: Sequence[str] = (),
        common: Mapping[str, Any] = _NONE,
    ) -> None:  # fmt: skip
        """Add edges between nodes that were added before; arguments are those of `NewGraph.edges`."""
        self._edges.append(_Edges(rel, source, target, rows, names, common))
        self._send_if_large(EDGE_BYTES * len(rows))

    def _send_if_large(self, added: int) -> None:
        self._bytes += added
        if self._bytes >= MAX_BYTES:
            self._send()

    def flush(self) -> None:
        """Send what is left, and wait until all is written.

        Raises:
            StoreRefusedError: The engine refuses it, or did not write all.
            StoreUnavailableError: The engine does not answer.
        """
        self._send()
        self._wait()

    def _send(self) -> None:
        """Send what was added, once the batch before is written: edges name its nodes by their record ids."""
        self._wait()
        for place, (label, identifier) in enumerate(self._new):
            self._record_ids[label][identifier] = f"{place}"
        edges = [line for each in self._edges for line in self._edge_lines(each)]
        if self._nodes or edges:
            self._sent = self._sender.submit(self._write, self._new, self._nodes, edges)
        self._new, self._nodes, self._edges, self._bytes = [], [], [], 0

    def _wait(self) -> None:
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.result()

    def _edge_lines(self, edges: _Edges) -> Iterator[bytes]:
        starts, ends = self._record_ids[edges.source], self._record_ids[edges.target]
        # What is equal in all is encoded once. Ends are digits, or record ids such as #1:2.
        head = self._encoder.encode({"@type": "edge", "@class": edges.rel, **edges.common})[:-1].decode()
        for start, end, *values in edges.rows:
            own = {name: value for name, value in zip(edges.names, values, strict=True) if value is not None}
            tail = f",{self._encoder.encode(own)[1:].decode()}" if own else "}"
            yield f'{head},"@from":"{starts[start]}","@to":"{ends[end]}"{tail}'.encode()

    def _write(self, new: list[tuple[str, str]], nodes: list[bytes], edges: list[bytes]) -> None:
        query = f"?wal=true&idMapping=true&expectedRecords={len(nodes) + len(edges)}"
        answer = msgspec.json.decode(self._post("batch", b"\n".join((*nodes, *edges)), query), type=_Answer)
        if (answer.vertices_created, answer.edges_created) != (len(nodes), len(edges)):
            raise StoreRefusedError("the engine did not write all of a batch", hint=_AGAIN)
        for place, record_id in answer.id_mapping.items():
            label, identifier = new[int(place)]
            self._record_ids[label][identifier] = record_id

    def _post(self, name: str, body: bytes, query: str = "") -> bytes:
        """Return the answer to a request."""
        endpoint = self._endpoint
        user = b64encode(f"{endpoint.user}:{endpoint.password}".encode()).decode()
        headers = {"Authorization": f"Basic {user}", "Content-Type": "application/x-ndjson"}
        # One connection a request: the engine closes those that wait while names of parents are resolved.
        connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=ANSWER_SECONDS)
        with self._store.translated_errors():
            try:
                connection.request("POST", f"/api/v1/{name}/{endpoint.database}{query}", body, headers)
                response = connection.getresponse()
                answer = response.read()
            except (OSError, HTTPException) as error:
                raise StoreUnavailableError(
                    f"{self._store.address} took no batch ({type(error).__name__})", hint=_AGAIN
                ) from error
            finally:
                connection.close()
            if response.status != 200:
                raise StoreRefusedError(_reason(answer), code=f"HTTP {response.status}", hint=_AGAIN)
        return answer


def declarations(schema: Schema = SCHEMA) -> Iterator[str]:
    """Yield the statements that declare what Cypher declares by itself, in ArcadeDB's SQL.

    The import refuses edges of a type that the database does not know. It would keep small whole numbers in 32 bits.
    """
    numbers = {"integer": "LONG", "float": "DOUBLE"}
    kinds = [(node.label, node.properties) for node in schema.nodes]
    for relationship in schema.relationships:
        yield f"CREATE EDGE TYPE {relationship.type} IF NOT EXISTS"
        kinds.append((relationship.type, relationship.properties))
    for name, properties in kinds:
        for each in properties:
            if each.type in numbers:
                yield f"CREATE PROPERTY {name}.{each.name} IF NOT EXISTS {numbers[each.type]}"


def _reason(answer: bytes) -> str:
    """Return why the engine refused a request."""
    try:
        stated = msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError:
        return "the engine refused a batch"
    return f"the engine refused a batch ({stated.get('detail') or stated.get('error')})"
