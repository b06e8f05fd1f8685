"""Tests of `atlas_db/core/columns.py`."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa

from atlas_db.columnar.typed_columns import DAY, MOMENT, data_frame, rows_table, time_type, to_times

COLUMNS = ("id", "created_at", "first_seen", "downloads", "active", "tags", "any")
ROWS = [
    {"id": "a", "created_at": "2024-01-02T03:04:05.000Z", "first_seen": "2024-01-02", "downloads": 2**60, "active": True,
     "tags": ["x"], "any": 1},
    {"id": "b", "created_at": None, "first_seen": None, "downloads": None, "active": None, "tags": [], "any": {"k": "v"}},
]  # fmt: skip


def test_frames_keep_whole_numbers_and_times() -> None:
    frame = data_frame(ROWS, COLUMNS)
    assert str(frame.downloads.dtype) == "Int64" and frame.downloads[0] == 2**60 and frame.downloads[1] is pd.NA
    assert str(frame.created_at.dtype) == "datetime64[us, UTC]" and frame.created_at[0].hour == 3
    assert frame.first_seen.dt.day.tolist()[0] == 2 and str(frame.active.dtype) == "boolean"
    assert frame.tags.tolist() == [["x"], []]
    assert data_frame([], ("a", "b")).columns.tolist() == ["a", "b"]


def test_tables_have_types_that_follow_from_the_values() -> None:
    table = rows_table(COLUMNS, ROWS)
    assert table.schema.field("created_at").type == MOMENT and table.schema.field("first_seen").type == DAY
    assert table.schema.field("downloads").type == pa.int64()
    assert table["any"].to_pylist() == ["1", '{"k": "v"}'] and table["tags"].to_pylist() == [["x"], []]
    assert rows_table(["nothing"], [{"nothing": None}]).schema.field("nothing").type == pa.string()


def test_texts_that_only_look_like_dates_stay_texts() -> None:
    assert time_type("name", ["2024-01-02"]) is None and time_type("last_seen", ["2024-01-02"]) == DAY
    assert time_type("born", ["2024-01-02T03:04:05Z", None]) == MOMENT
    assert time_type("born", ["2024-01-02T03:04:05Z", "soon"]) is None
    assert time_type("born", [None]) is None and time_type("n", [20240102]) is None


def test_a_time_that_cannot_be_read_is_null_and_the_others_stay() -> None:
    assert to_times(pa.array(["2024-02-30", "2024-02-29", None]), DAY).to_pylist() == [None, date(2024, 2, 29), None]
    assert to_times(pa.array(["2024-01-01T00:00:00", "nonsense"]), MOMENT).is_null().to_pylist() == [False, True]
