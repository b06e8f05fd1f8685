"""Rows of a Parquet file as JSON texts, whatever a column's type. A value that cannot be read costs itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ingest.hub.hub_row import REPLACED, UNREADABLE, Notes

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2000


def parquet_rows(path: Path) -> Iterator[tuple[bytes, Notes]]:
    """Yield each row as JSON text, without its empty fields, and notes on the values that were left out.

    Raises:
        ArrowException, OSError: The file is damaged.
    """
    import pyarrow.parquet as pq

    encoder = msgspec.json.Encoder(enc_hook=str)
    for batch in pq.ParquetFile(path).iter_batches(batch_size=BATCH_ROWS):
        notes: dict[int, Notes] = defaultdict(list)
        names = batch.schema.names
        columns = [_values(name, column, notes) for name, column in zip(names, batch.columns, strict=True)]
        for row, values in enumerate(zip(*columns, strict=True)):
            fields = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            yield encoder.encode(fields), notes.get(row, [])


def _values(name: str, column: pa.Array[Any], notes: dict[int, Notes]) -> list[Any]:
    """Return the values of a column as Python has them; text that is bytes is text again."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        # Python has no nanoseconds.
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return [None if each is None else _text(name, each, row, notes) for row, each in enumerate(column.to_pylist())]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        return [_value(name, each, row, notes) for row, each in enumerate(column)]
    return values


def _text(name: str, value: bytes, row: int, notes: dict[int, Notes]) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        notes[row].append((REPLACED, f"{name}: bytes that are not UTF-8 were replaced by U+FFFD"))
        return value.decode("utf-8", errors="replace")


def _value(name: str, value: pa.Scalar[Any], row: int, notes: dict[int, Notes]) -> Any:  # noqa: ANN401
    import pyarrow as pa

    try:
        return value.as_py()
    except (ValueError, OverflowError) as error:
        if isinstance(value, (pa.StringScalar, pa.LargeStringScalar)):
            return _text(name, value.as_buffer().to_pybytes(), row, notes)
        notes[row].append((UNREADABLE, f"{name}: {error}"))
        return None
