"""The file of an atlas snapshot: one Parquet row a repository, sorted by kind and id, with licences and parents.

The file states its version and the dates of its newest records. Beside it stands a file with its SHA-256 in the format
of `sha256sum`, against which an opened snapshot is checked. Rows are found by binary search, without an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from atlas_db.columnar.arrow_columns import edge_columns, node_columns
from atlas_db.core.decoding import MalformedError, json_as
from atlas_db.core.errors import InputError
from atlas_db.core.files import replacing, sha256_of, write_whole
from atlas_db.core.terms import Progress, RecordKind
from atlas_db.lineage.newest_records import NewestRecords
from atlas_db.snapshot.repositories import PROPERTIES, UNRESOLVED, Repositories, Repository
from atlas_db.store.bolt import Store
from atlas_db.store.contents import require_models

BATCH_ROWS = 20_000
"""Rows that become values of Python at once."""
VERSION = 1
"""Version of the file; another one is refused."""
_META = b"atlas-db"
_TEXT = pa.string()
_CLAIM = ("source", "confidence", "method", "first_seen", "last_seen", "valid_to")
_EDGE = ("relation", "confidence", "status", "active")
_MENTION = ("mention", "resolution", "evidence", "method", "valid_to")
_TYPES = {
    "licenses_as_written": pa.list_(_TEXT), "num_params": pa.int64(), "downloads": pa.int64(),
    "confidence": pa.float64(), "active": pa.bool_(),
}  # fmt: skip


def _list_of(*names: str) -> pa.DataType:
    return pa.list_(pa.struct([pa.field(name, _TYPES.get(name, _TEXT)) for name in names]))


SCHEMA = pa.schema([
    pa.field("kind", _TEXT), pa.field("id", _TEXT), pa.field("placeholder", pa.bool_()),
    *(pa.field(name, _TYPES.get(name, _TEXT)) for name in PROPERTIES), pa.field("license_files", pa.list_(_TEXT)),
    pa.field("licenses", _list_of("id", *_CLAIM)), pa.field("parents", _list_of("id", *_EDGE)),
    pa.field("data", _list_of("id", "confidence")),
    pa.field("mentions", _list_of("guess", "mention", "resolution", "evidence", "method")),
])  # fmt: skip
"""Columns of the file."""


class SnapshotHead(msgspec.Struct, frozen=True):
    """What a snapshot states of itself.

    Attributes:
        version: Version of the format.
        models: Date of the newest record of a model.
        datasets: Date of the newest record of a dataset.
    """

    version: int
    models: str
    datasets: str


def write_snapshot(store: Store, file: Path, progress: Progress = lambda *_: None) -> pa.Table:
    """Write the snapshot of a whole store, and its digest next to it.

    Args:
        store: The store.
        file: The file.
        progress: Called with the progress.

    Returns:
        The rows.

    Raises:
        EmptyStoreError: The store holds no models.
    """
    require_models(store)
    rows = []
    for place, kind in enumerate(RecordKind):
        progress("read", place, len(RecordKind))
        rows.append(_rows_of(store, kind))
    progress("write", 0, 0)
    table = pa.concat_tables(rows).sort_by([("kind", "ascending"), ("id", "ascending")])
    recorded = table.filter(pc.invert(table["placeholder"]))
    dates = [
        pc.max(recorded.filter(pc.equal(recorded["kind"], kind))["last_seen"]).as_py() or "" for kind in RecordKind
    ]
    return write_table(table, file, NewestRecords(*dates))


def write_repositories(repositories: Iterable[Repository], newest: NewestRecords, file: Path) -> pa.Table:
    """Write a snapshot of some repositories, and its digest next to it; return the rows."""
    rows = [
        {"kind": str(each.kind), **each.node(), "licenses": each.licenses, "parents": each.parents, "data": each.data,
         "mentions": each.mentions}
        for each in sorted(repositories, key=lambda each: (each.kind, each.id))
    ]  # fmt: skip
    return write_table(pa.Table.from_pylist(rows, SCHEMA), file, newest)


def write_table(table: pa.Table, file: Path, newest: NewestRecords) -> pa.Table:
    """Write the rows of a snapshot, and its digest next to it."""
    head = msgspec.json.encode(SnapshotHead(VERSION, newest.models, newest.datasets))
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as partial:
        pq.write_table(table.replace_schema_metadata({_META: head}), partial, compression="zstd", compression_level=9)
    write_whole(digest_file(file), f"{sha256_of(file)}  {file.name}\n".encode())
    return table


def digest_file(file: Path) -> Path:
    """Return the file with the digest of a snapshot."""
    return file.with_name(file.name + ".sha256")


def _rows_of(store: Store, kind: RecordKind) -> pa.Table:
    label = kind.title()
    is_model = kind is RecordKind.MODEL
    names = ("id", "placeholder", *(PROPERTIES if is_model else _shared()), *(("license_files",) if is_model else ()))
    nodes = node_columns(store, label, names).sort_by("id").combine_chunks()
    ids = nodes["id"].combine_chunks()
    lists: dict[str, pa.Table] = {"licenses": edge_columns(store, "HAS_LICENSE", label, "License", _CLAIM)}
    if is_model:
        lists["parents"] = edge_columns(store, "DERIVED_FROM", label, label, _EDGE)
        data = edge_columns(store, "TRAINED_ON", label, "Dataset", ("confidence", "valid_to"), source="declared")
        lists["data"] = data.filter(pc.is_null(data["valid_to"]))
        claims = pa.concat_tables(
            edge_columns(store, "CLAIMS_PARENT", label, label, _MENTION, resolution=str(each)) for each in UNRESOLVED
        )
        lists["mentions"] = claims.filter(pc.is_null(claims["valid_to"]))
    columns = []
    for column in SCHEMA:
        if column.name == "kind":
            columns.append(pa.array([str(kind)] * len(ids), _TEXT))
        elif column.name in lists:
            columns.append(_grouped(ids, lists[column.name], column.type))
        elif column.name in names:
            columns.append(nodes[column.name].combine_chunks().cast(column.type))
        else:
            columns.append(pa.nulls(len(ids), column.type))
    return pa.table(columns, SCHEMA).set_column(
        SCHEMA.get_field_index("placeholder"), "placeholder", nodes["placeholder"].fill_null(False)
    )


def _shared() -> tuple[str, ...]:
    from atlas_db.core.schema import SCHEMA as GRAPH

    known = GRAPH.node("Dataset").names
    return tuple(name for name in PROPERTIES if name in known)


def _grouped(ids: pa.Array, edges: pa.Table, kind: pa.DataType) -> pa.Array:
    """Return the edges as one list a node, in the order of the nodes, then by the other end."""
    row = pc.index_in(edges["start"], value_set=ids)
    edges = (
        edges.append_column("row", row).filter(pc.is_valid(row)).sort_by([("row", "ascending"), ("end", "ascending")])
    )
    counts = np.bincount(edges["row"].to_numpy(), minlength=len(ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    fields = list(kind.value_type)
    arrays = [edges["end" if each.name in ("id", "guess") else each.name].combine_chunks() for each in fields]
    structs = pa.StructArray.from_arrays(
        [each.cast(f.type) for each, f in zip(arrays, fields, strict=True)], fields=fields
    )
    return pa.ListArray.from_arrays(pa.array(offsets), structs)


class SnapshotFile:
    """An opened snapshot.

    Args:
        file: The file.

    Raises:
        InputError: It is no snapshot, of another version, or its digest is another.
    """

    def __init__(self, file: Path) -> None:
        self._table, self.head = _read(file)
        kinds = self._table["kind"].combine_chunks()
        self._ids = self._table["id"].combine_chunks()
        self._ranges = {}
        for kind in RecordKind:
            found = np.flatnonzero(pc.equal(kinds, str(kind)).to_numpy(zero_copy_only=False))
            self._ranges[kind] = range(int(found[0]), int(found[-1]) + 1) if len(found) else range(0)

    def __len__(self) -> int:
        return len(self._table)

    def find(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, Repository]:
        """Return those repositories that are there, by id."""
        places = {each: place for each in ids if (place := self._place(kind, each)) is not None}
        rows = self._table.take(pa.array(list(places.values()), pa.int64())).to_pylist() if places else []
        return {row["id"]: _repository(row) for row in rows}

    def _place(self, kind: RecordKind, identifier: str) -> int | None:
        """Return the row of an id by binary search: Arrow sorts by bytes of UTF-8, which is Python's order of texts."""
        rows = self._ranges[kind]
        low, high = rows.start, rows.stop
        while low < high:
            middle = (low + high) // 2
            if self._ids[middle].as_py() < identifier:
                low = middle + 1
            else:
                high = middle
        return low if low < rows.stop and self._ids[low].as_py() == identifier else None

    @cached_property
    def _edges(self) -> tuple[pa.Array, pa.Array]:
        """Parents, sorted, and the row of each child."""
        parents = self._table["parents"].combine_chunks()
        rows = pc.list_parent_indices(parents)
        ids = pc.struct_field(pc.list_flatten(parents), "id")
        order = pc.sort_indices(ids)
        return ids.take(order), rows.take(order)

    def children(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return (parent, child) of each lineage edge to these models."""
        parents, rows = self._edges
        places = pc.indices_nonzero(pc.is_in(parents, value_set=pa.array(list(ids), _TEXT)))
        named = zip(parents.take(places).to_pylist(), self._ids.take(rows.take(places)).to_pylist(), strict=True)
        return list(named)

    def newest(self) -> NewestRecords:
        """Return the dates of the newest records."""
        return NewestRecords(self.head.models, self.head.datasets)

    def rows(self, kind: RecordKind, names: Sequence[str]) -> Iterator[Sequence[Any]]:
        """Yield values of every repository, each a property or an attribute of `Repository`."""
        rows = self._ranges[kind]
        part = self._table.slice(rows.start, len(rows)).select(list(names))
        for batch in part.to_batches(max_chunksize=BATCH_ROWS):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _read(file: Path) -> tuple[pa.Table, SnapshotHead]:
    again = "Write it again with atlas-db snapshot, or fetch it again"
    stated = digest_file(file)
    try:
        if stated.is_file() and (words := stated.read_text(encoding="utf-8").split()) and words[0] != sha256_of(file):
            raise InputError(f"{file} has another digest than {stated.name} states", hint=again)
        found = pq.read_schema(file).metadata or {}
        if _META not in found:
            raise InputError(
                f"{file} is no snapshot of an atlas", hint="Name one that atlas-db snapshot wrote, or load it as a list"
            )
        head = json_as(found[_META], SnapshotHead)
        if head.version != VERSION:
            raise InputError(
                f"{file} is a snapshot of version {head.version}, this program reads {VERSION}", hint=again
            )
        table = pq.read_table(file)
    except (OSError, UnicodeDecodeError, pa.ArrowException, MalformedError) as error:
        raise InputError(f"{file} cannot be read as a snapshot ({error})", hint=again) from error
    if not table.schema.equals(SCHEMA):
        raise InputError(f"{file} has other columns than a snapshot", hint=again)
    return table, head


def _repository(row: Mapping[str, Any]) -> Repository:
    props = {name: row[name] for name in (*PROPERTIES, "license_files") if row[name] is not None}
    lists = [[_without_nulls(each) for each in row[name] or ()] for name in ("licenses", "parents", "data", "mentions")]
    return Repository(row["id"], RecordKind(row["kind"]), row["placeholder"], props, *lists)


def _without_nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def closure(place: Repositories, models: Sequence[str]) -> list[Repository]:
    """Return models with all their ancestors and training data, each once. Ids that are nowhere are left out."""
    found: dict[str, Repository] = {}
    data: dict[str, None] = {}
    seen, frontier = set(models), list(dict.fromkeys(models))
    while frontier:
        level = place.find(RecordKind.MODEL, frontier)
        found |= level
        data |= {each["id"]: None for repository in level.values() for each in repository.data}
        above = (each["id"] for repository in level.values() for each in repository.parents)
        frontier = [each for each in dict.fromkeys(above) if each not in seen]
        seen.update(frontier)
    return [*found.values(), *(place.find(RecordKind.DATASET, list(data)).values() if data else ())]
