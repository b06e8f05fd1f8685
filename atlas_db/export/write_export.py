"""An export: the graph, a part of it, or the rows of a query, as a folder of files with a manifest.

Each file appears whole or not at all. The manifest lists the files that are there, each with rows, bytes and SHA-256.
An export that was interrupted goes on with the tables that it lacks, as long as the graph is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from atlas_db.columnar.typed_columns import rows_table
from atlas_db.core.decoding import MalformedError, read_json
from atlas_db.core.errors import InputError, StoreError, UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.files import replacing, sha256_of, write_whole
from atlas_db.core.terms import Progress
from atlas_db.export.graph_files import GRAPH_FILES, GRAPH_WRITERS, write_graph
from atlas_db.export.graph_objects import edges_among, sorted_nodes, to_tensors
from atlas_db.export.graph_tables import LINEAGE, GraphTable, joined_tables, selected, tables_named
from atlas_db.export.table_files import WRITERS
from atlas_db.lineage.newest_records import GraphVersion, read_graph_version
from atlas_db.store.bolt import Store
from atlas_db.store.contents import require_models

MANIFEST = "manifest.json"
TENSORS = "graph.safetensors"
ROWS = "rows"
"""Name of the file with the rows of a query, without its ending."""
TABLE_FORMATS = ("parquet", "csv", "jsonl")
FORMATS = (*TABLE_FORMATS, *GRAPH_WRITERS, "pyg")
Batches = Iterator[pa.RecordBatch]


class ExportedFile(msgspec.Struct, frozen=True):
    """A file of an export.

    Attributes:
        rows: Rows by table.
        bytes: Size.
        sha256: SHA-256 of its bytes.
    """

    rows: dict[str, int]
    bytes: int
    sha256: str


class Manifest(GraphVersion, frozen=True):
    """What an export holds, and of which graph.

    Attributes:
        format: Format of the files.
        tables: Names of the exported tables; empty for the rows of a query.
        query: Name or text of the query; empty without one.
        parameters: Parameters of the query.
        files: Files by name.
        complete: True once all files are there.
    """

    format: str
    tables: list[str]
    query: str
    parameters: dict[str, Any]
    files: dict[str, ExportedFile] = msgspec.field(default_factory=dict)
    complete: bool = False


@dataclass(frozen=True, slots=True)
class QueryRows:
    """The rows of a query, to be exported or to choose models.

    Attributes:
        query: Its name or text.
        parameters: Its parameters.
        columns: Names of the columns.
        rows: Values by column.
    """

    query: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()

    def model_ids(self) -> list[str]:
        """Return the models that the rows name, each once.

        Raises:
            UsageError: There is no column `id`.
        """
        if "id" not in self.columns:
            raise UsageError(
                "the query has no column `id`, which names the models of the graph",
                hint="Return it, as in RETURN m.id AS id; or export its rows: --to parquet, csv or jsonl",
            )
        return list(dict.fromkeys(str(row["id"]) for row in self.rows if row.get("id") is not None))


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        folder: The folder.
        manifest: Its manifest.
        kept: Files that an interrupted export had written, and that were kept.
    """

    folder: Path
    manifest: Manifest
    kept: tuple[str, ...]


def export_graph(
    store: Store,
    folder: Path,
    form: str,
    *,
    tables: Sequence[str] = (),
    chosen: QueryRows | None = None,
    progress: Progress = lambda *_: None,
) -> ExportReport:
    """Write the graph, a part of it, or the rows of a query into a folder.

    Args:
        store: The store.
        folder: The folder; it is created.
        form: parquet, csv, jsonl, graphml, gexf, networkx or pyg.
        tables: Labels and relationship types; by default all for files of tables, and the lineage for graphs.
        chosen: Rows of a query: exported as they are by formats of tables. Graphs take the models of the column `id`.
        progress: Called with each table, the rows written, and their number.

    Raises:
        UsageError: An argument does not fit the others; or the extra `gnn` is missing, for pyg.
        InputError: The folder cannot be written.
        EmptyStoreError: The store holds no models.
        StoreError: The store failed. Run the same again: it goes on.
    """
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r} to export", hint=f"Use one of: {', '.join(FORMATS)}")
    if chosen is not None and form in TABLE_FORMATS and tables:
        raise UsageError("the rows of a query are one table of their own", hint="Leave out --tables, or --query")
    require_models(store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} is no folder to write to ({error.strerror})", hint="Name another with --out"
        ) from error
    names = (
        []
        if chosen is not None and form in TABLE_FORMATS
        else list(tables or (() if form in TABLE_FORMATS else LINEAGE))
    )
    export = _Export(store, folder, _manifest(store, form, names, chosen), progress)
    if form in TABLE_FORMATS and chosen is not None:
        found = rows_table(chosen.columns, chosen.rows)
        export.file(f"{ROWS}.{form}", lambda path: {ROWS: WRITERS[form](path, found.schema, found.to_batches())})
    elif form in TABLE_FORMATS:
        for table in tables_named(names):
            export.table(table)
    elif form == "pyg":
        export.tensors(*joined_tables(tables_named(names)), chosen)
    else:
        nodes, edges = joined_tables(tables_named(names))
        export.file(
            GRAPH_FILES[form],
            lambda path: write_graph(path, form, export.batches(nodes, chosen), export.batches(edges, chosen)),
        )
    return export.finished()


def _manifest(store: Store, form: str, names: list[str], chosen: QueryRows | None) -> Manifest:
    return Manifest(
        **msgspec.structs.asdict(read_graph_version(store)),
        format=form,
        tables=[table.name for table in tables_named(names)] if chosen is None or form not in TABLE_FORMATS else [],
        query=chosen.query if chosen else "",
        parameters=dict(chosen.parameters) if chosen else {},
    )


class _Export:
    """An export under way."""

    def __init__(self, store: Store, folder: Path, manifest: Manifest, progress: Progress) -> None:
        self._store, self._folder, self._manifest, self._progress = store, folder, manifest, progress
        self._before = self._interrupted()
        self._kept: list[str] = []
        self._save()

    def _interrupted(self) -> dict[str, ExportedFile]:
        """Return the files of an unfinished export of the same graph into this folder."""
        try:
            old = read_json(self._folder / MANIFEST, Manifest)
        except (OSError, MalformedError):
            return {}
        same = {name: getattr(old, name) for name in Manifest.__struct_fields__ if name not in ("files", "complete")}
        if old.complete or any(getattr(self._manifest, name) != value for name, value in same.items()):
            return {}
        return {name: file for name, file in old.files.items() if _describe(self._folder / name, file.rows) == file}

    def _save(self) -> None:
        write_whole(self._folder / MANIFEST, msgspec.json.format(msgspec.json.encode(self._manifest), indent=2) + b"\n")

    def file(self, name: str, write: Callable[[Path], dict[str, int]]) -> None:
        """Write one file, unless an interrupted export has."""
        if name in self._before:
            self._manifest.files[name] = self._before[name]
            self._kept.append(name)
            return
        with replacing(self._folder / name) as unfinished:
            rows = write(unfinished)
        written = _describe(self._folder / name, rows)
        if written is not None:
            self._manifest.files[name] = written
        self._save()

    def table(self, table: GraphTable) -> None:
        """Write one table into a file of its own."""
        form = self._manifest.format
        self.file(
            f"{table.name}.{form}", lambda path: {table.name: WRITERS[form](path, table.schema, self._stream(table))}
        )

    def batches(self, tables: Sequence[GraphTable], chosen: QueryRows | None) -> dict[GraphTable, Batches]:
        """Return the batches of tables; with chosen models, of these models and the edges among them."""
        if chosen is None:
            return {table: self._stream(table) for table in tables}
        return {table: selected(self._store, table, chosen.model_ids()) for table in tables}

    def _stream(self, table: GraphTable) -> Batches:
        return table.stream(self._store, self._progress)

    def tensors(self, nodes: list[GraphTable], edges: list[GraphTable], chosen: QueryRows | None) -> None:
        """Write tables in the order of the tensors, and the tensors."""
        require_extra("gnn")
        from safetensors.numpy import save_file

        found = sorted_nodes(_whole(self.batches(nodes, chosen)))
        joined = edges_among(found, _whole(self.batches(edges, chosen)))
        both = found | joined
        for table, rows in both.items():
            self.file(f"{table.name}.parquet", partial(_write_sorted, table, rows))
        arrays, categories = to_tensors(found, joined)
        flat = {
            f"{'/'.join(key)}.{name}": values for key, columns in arrays.items() for name, values in columns.items()
        }
        names = {name: msgspec.json.encode(values).decode() for name, values in categories.items()}

        def write(path: Path) -> dict[str, int]:
            save_file(flat, path, metadata=names)
            return {table.name: len(rows) for table, rows in both.items()}

        self.file(TENSORS, write)

    def finished(self) -> ExportReport:
        """Mark the manifest as complete.

        Raises:
            StoreError: Another run wrote to the graph meanwhile, so that its tables may not fit together.
        """
        if read_graph_version(self._store).newest_run != self._manifest.newest_run:
            raise StoreError("the graph changed during the export", hint="Run the same command again")
        self._manifest = msgspec.structs.replace(self._manifest, complete=True)
        self._save()
        return ExportReport(self._folder, self._manifest, tuple(self._kept))


def _write_sorted(table: GraphTable, rows: pa.Table, path: Path) -> dict[str, int]:
    return {table.name: WRITERS["parquet"](path, table.schema, rows.to_batches())}


def _whole(batches: Mapping[GraphTable, Batches]) -> dict[GraphTable, pa.Table]:
    return {table: pa.Table.from_batches(parts, table.schema) for table, parts in batches.items()}


def _describe(file: Path, rows: dict[str, int]) -> ExportedFile | None:
    """Return what the manifest states of a file, None where there is no such file."""
    try:
        digest = sha256_of(file)
    except FileNotFoundError:
        return None
    return ExportedFile(rows, file.stat().st_size, digest)
