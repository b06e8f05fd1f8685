"""Rows of plain values as columns with true types: integers that may be missing, dates and times.

pandas is imported with the first frame only, as a bare install has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from atlas_db.core.extras import require_extra
from atlas_db.core.schema import SCHEMA

if TYPE_CHECKING:
    import pandas as pd

DAY, MOMENT = pa.date32(), pa.timestamp("us", "UTC")
TIME_UNITS = {"date": DAY, "ISO 8601, UTC": MOMENT}
"""Types of the schema's texts that are dates and times, by their unit."""
TIME_NAMES = frozenset(
    prop.name
    for properties in (*(node.properties for node in SCHEMA.nodes), *(rel.properties for rel in SCHEMA.relationships))
    for prop in properties
    if prop.unit in TIME_UNITS
)
"""Names of these properties: a query's column of that name holds times."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?(\[[\w/+-]+\])?")


def time_type(name: str, values: Iterable[object]) -> pa.DataType | None:
    """Return the type of a column of times, None for any other.

    Every value is a text of ISO 8601 or missing, and not all are missing. A column of dates without a time of day needs
    a name of the schema, too: other texts may look like dates.

    Args:
        name: Name of the column.
        values: Its values.
    """
    present = [value for value in values if value is not None]
    if not present or not all(isinstance(value, str) for value in present):
        return None
    if all(_MOMENT.fullmatch(str(value)) for value in present):
        return MOMENT
    return DAY if name in TIME_NAMES and all(_DAY.fullmatch(str(value)) for value in present) else None


def rows_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as Arrow. Types follow from the values; where they are of several kinds, all become JSON texts."""
    arrays = [_column(name, [row.get(name) for row in rows]) for name in columns]
    return pa.Table.from_arrays(arrays, list(columns))


def _column(name: str, values: list[Any]) -> pa.Array:
    if (kind := time_type(name, values)) is not None:
        return to_times(pa.array(values, pa.string()), kind)
    try:
        found = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        found = None
    if found is None or pa.types.is_struct(found.type):
        texts = [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values]
        return pa.array(texts, pa.string())
    return found.cast(pa.string()) if pa.types.is_null(found.type) else found


def to_times(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return texts of ISO 8601 as dates or times in UTC; null for a text that is none.

    Arrow reads whole columns. Where it cannot read one text, all are read one by one.
    """
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        return pa.array([_time(text) for text in texts.to_pylist()], MOMENT).cast(kind, safe=False)


def _time(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((text or "").partition("[")[0])
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def table_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a data frame: integers and booleans that may be missing, datetimes (extra `analysis`).

    Raises:
        UsageError: The extra `analysis` is not installed.
    """
    require_extra("analysis")
    import pandas as pd

    kinds = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=kinds.get, date_as_object=False)


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a data frame: whole numbers stay such where some are missing, and times are datetimes.

    Args:
        rows: One mapping a row, by column; what a row lacks is missing in the frame.
        columns: Columns in order; what a row lacks is missing in the frame.

    Raises:
        UsageError: The extra `analysis` is not installed.
    """
    require_extra("analysis")
    import pandas as pd

    listed = list(rows)
    frame = pd.DataFrame(listed, columns=list(columns))
    for name in columns:
        values = [row.get(name) for row in listed]
        if (kind := time_type(name, values)) is not None:
            times = to_times(pa.array(values, pa.string()), kind)
            frame[name] = times.to_pandas(date_as_object=False).to_numpy() if kind == DAY else times.to_pandas()
        elif None in values and (present := {type(value) for value in values if value is not None}) in ({int}, {bool}):
            frame[name] = pd.array(values, dtype="Int64" if present == {int} else "boolean")
    return frame
