"""Tests of `ingest/hub/parquet_files/parquet_rows.py`: columns of every type that holds the Hub's values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.hub.parquet_files.parquet_rows import parquet_rows


def rows(folder: Path, **columns: Any) -> list[tuple[dict[str, Any], list[tuple[str, str]]]]:
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    return [(json.loads(text), list(notes)) for text, notes in parquet_rows(folder / "rows.parquet")]


def test_empty_fields_are_left_out(tmp_path: Path) -> None:
    found = rows(tmp_path, id=["a/b", "c/d"], likes=[1, None], score=pa.array([float("nan"), 1.0], from_pandas=False))
    assert [row for row, _ in found] == [{"id": "a/b", "likes": 1, "score": None}, {"id": "c/d", "score": 1.0}]


def test_columns_of_other_types(tmp_path: Path) -> None:
    when = pa.array([1709510400000000123], pa.timestamp("ns"))
    binary = {f"b{n}": pa.array([b"a/b"], kind) for n, kind in enumerate((pa.binary(), pa.large_binary()))}
    word = pa.array(["mit"]).dictionary_encode()
    number = pa.array([9], pa.int64()).cast(pa.decimal128(20))
    pairs = pa.array([[("license", "mit")]], pa.map_(pa.string(), pa.string()))
    ((row, notes),) = rows(tmp_path, when=when, **binary, word=word, number=number, pairs=pairs)
    assert row == {
        "when": "2024-03-04T00:00:00", "b0": "a/b", "b1": "a/b", "word": "mit", "number": "9",
        "pairs": [["license", "mit"]],
    }  # fmt: skip
    assert notes == []


def test_values_that_cannot_be_read_cost_themselves(tmp_path: Path) -> None:
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff"], pa.binary()).buffers())
    far = pa.array([0, 10**15], pa.int64()).cast(pa.timestamp("s"))
    found = rows(tmp_path, id=["a/b", "c/d"], sha=broken, raw=[b"\xff", None], createdAt=far)
    assert found[0] == (
        {"id": "a/b", "sha": "ok", "raw": "\ufffd", "createdAt": "1970-01-01T00:00:00"},
        [("replaced_characters", "raw: bytes that are not UTF-8 were replaced by U+FFFD")],
    )
    row, notes = found[1]
    assert row == {"id": "c/d", "sha": "\ufffd"}
    assert [code for code, _ in notes] == ["replaced_characters", "unreadable_field"]
