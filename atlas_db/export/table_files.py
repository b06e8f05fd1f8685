"""Record batches into files: Parquet, CSV, TSV and JSON Lines, each in constant memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from atlas_db.core.safe_text import spreadsheet_cell, visible_json

GROUP_ROWS = 65_536
"""Rows of a row group in Parquet: a reader can skip the others."""
Batches = Iterable[pa.RecordBatch]
Target = Path | IO[bytes]


def write_parquet(target: Target, schema: pa.Schema, batches: Batches) -> int:
    """Write Parquet (zstd), with the descriptions of the columns; return the number of rows."""
    rows, waiting, held = 0, [], 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for batch in batches:
            rows += batch.num_rows
            waiting.append(batch)
            held += batch.num_rows
            if held >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting, held = [], 0
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))
    return rows


def write_csv(target: Target, schema: pa.Schema, batches: Batches) -> int:
    """Write CSV with a header; return the number of rows.

    Lists are JSON. A text that a spreadsheet would compute has an apostrophe before it.
    """
    return _write_separated(target, schema, batches, ",")


def write_tsv(target: Target, schema: pa.Schema, batches: Batches) -> int:
    """Write values separated by tabs, otherwise as `write_csv`."""
    return _write_separated(target, schema, batches, "\t")


def write_jsonl(target: Target, schema: pa.Schema, batches: Batches) -> int:
    """Write one JSON object a row, missing values as null; return the number of rows."""
    encoder, rows = msgspec.json.Encoder(), 0
    with _opened(target) as file:
        for batch in batches:
            rows += batch.num_rows
            lines = encoder.encode_lines(batch.to_pylist())
            file.write(visible_json(lines.decode()).encode())
    return rows


WRITERS: dict[str, Callable[[Target, pa.Schema, Batches], int]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "tsv": write_tsv,
    "jsonl": write_jsonl,
}
"""Writer of each format of tables, by the ending of its files."""


def _opened(target: Target) -> Any:  # noqa: ANN401
    return target.open("wb") if isinstance(target, Path) else _Borrowed(target)


class _Borrowed:
    """A file of the caller, which stays open."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> IO[bytes]:
        return self._file

    def __exit__(self, *_: object) -> None:
        self._file.flush()


def _write_separated(target: Target, schema: pa.Schema, batches: Batches, delimiter: str) -> int:
    flat = pa.schema([pa.field(each.name, _flat_type(each.type)) for each in schema])
    options = pyarrow.csv.WriteOptions(delimiter=delimiter, quoting_style="needed")
    rows = 0
    with _opened(target) as file, closing(pyarrow.csv.CSVWriter(file, flat, write_options=options)) as writer:
        for batch in batches:
            rows += batch.num_rows
            writer.write_batch(pa.record_batch([_flat(column) for column in batch.columns], flat))
    return rows


def _flat_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_nested(kind) else kind


def _flat(column: pa.Array) -> pa.Array:
    """Return a column as CSV holds it: lists as JSON, texts as cells that no spreadsheet computes."""
    if pa.types.is_nested(column.type):
        values = column.to_pylist()
        texts = [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values]
        return pa.array([spreadsheet_cell(text) for text in texts], pa.string())
    if pa.types.is_string(column.type):
        return pa.array([spreadsheet_cell(text) for text in column.to_pylist()], pa.string())
    return column
