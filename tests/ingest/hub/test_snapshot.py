"""Files of Hub records: found in a stable order, their format detected by content, and read as far as they go."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from atlas_db.core.errors import InputError, RecordError
from atlas_db.core.terms import RecordKind
from ingest.hub import array_items, snapshot
from ingest.hub.snapshot import (
    SNAPSHOT_FILE,
    SourceFile,
    find_inputs,
    newest_date,
    read_records,
    read_snapshot_file,
    repeated_ids,
)
from tests.support.malformed import MALFORMED_TOML

ROWS = [
    {"id": "a/one", "createdAt": "2024-01-02T00:00:00.000Z"},
    {"id": "b/two", "lastModified": "2024-03-04T00:00:00.000Z"},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FORMATS = {
    "lines": LINES,
    "lines with a byte order mark": b"\xef\xbb\xbf" + LINES,
    "lines without an end": LINES.rstrip(),
    "gzip": gzip.compress(LINES),
    "zstandard": zstandard.compress(LINES),
    "two frames of zstandard": zstandard.compress(LINES[:60]) + zstandard.compress(LINES[60:]),
    "array": json.dumps(ROWS, indent=1).encode(),
}


def ids(file: Path) -> list[str]:
    return [json.loads(raw.text)["id"] for raw in read_records(SourceFile(file, file.name))]


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_records(tmp_path: Path, form: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(FORMATS[form])
    assert ids(file) == ["a/one", "b/two"]
    assert newest_date(SourceFile(file, "")) == ("2024-03-04", 2)
    assert repeated_ids([SourceFile(file, "")]) == set()
    assert repeated_ids([SourceFile(file, "")] * 2) == {"a/one", "b/two"}


def test_objects_parquet_and_cards(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(ROWS[0], indent=2))
    assert ids(tmp_path / "one.json") == ["a/one"]
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert ids(tmp_path / "rows.parquet") == ["a/one", "b/two"]
    card = tmp_path / "models--own--name" / "snapshots" / "1" / "README.md"
    card.parent.mkdir(parents=True)
    card.write_text("---\nlicense: mit\n---\n")
    (source,) = find_inputs([str(card)], tmp_path)
    (raw,) = read_records(source)
    assert json.loads(raw.text) == {"id": "own/name", "sha": "1", "card": "---\nlicense: mit\n---\n"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_file"), (b" \n", "empty_file"), (b"<html>", "not_json"), (b'[{"id": "a/b"}', "not_json"),
        (gzip.compress(LINES)[:-9], "truncated_file"), (zstandard.compress(LINES)[:-4], "truncated_file"),
        (b"PAR1 and nothing more", "truncated_file"), (gzip.compress(LINES)[:30] + b"\xff" * 90, "truncated_file"),
    ],
    ids=("empty", "blank", "html", "array", "gzip", "zstandard", "parquet", "damaged gzip"),
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_by_code(tmp_path: Path, body: bytes, code: str) -> None:
    (tmp_path / "x.jsonl").write_bytes(body)
    with pytest.raises(RecordError) as raised:
        ids(tmp_path / "x.jsonl")
    assert raised.value.code == code


def test_a_line_that_is_too_long_is_set_aside_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MAX_LINE", 1000)
    monkeypatch.setattr(snapshot, "CHUNK", 512)
    (tmp_path / "x.jsonl").write_bytes(b'{"id": "a/b"}\n' + b"x" * 5000 + b'\n{"id": "c/d"}\n')
    found = list(read_records(SourceFile(tmp_path / "x.jsonl", "")))
    assert [each.problem and each.problem.code for each in found] == [None, "line_too_long", None]
    assert [each.line for each in found] == [1, 2, 3]


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstandard"])
def test_an_item_of_an_array_that_is_too_long_is_set_aside_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(snapshot, "MAX_LINE", 1000)
    monkeypatch.setattr(array_items, "CHUNK", 512)
    long = {"id": "long/one", "siblings": [{"rfilename": str(n)} for n in range(500)]}
    (tmp_path / "x.json").write_bytes(packed(json.dumps([ROWS[0], long, ROWS[1]]).encode()))
    found = list(read_records(SourceFile(tmp_path / "x.json", "")))
    assert [each.problem and each.problem.code for each in found] == [None, "line_too_long", None]
    assert json.loads(found[2].text)["id"] == "b/two"


def test_a_damaged_item_costs_itself_and_the_end_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'[{"id": "a/b"}, {"id": nothing}, 7, {"id": "c/d"}')
    with pytest.raises(RecordError, match="damaged after item 4"):
        list(read_records(SourceFile(tmp_path / "x.json", "")))
    found = _until_error(tmp_path / "x.json")
    assert found == [b'{"id": "a/b"}', b'{"id": nothing}', b"7", b'{"id": "c/d"}']


def _until_error(file: Path) -> list[bytes]:
    found = []
    with contextlib.suppress(RecordError):
        for raw in read_records(SourceFile(file, "")):
            found.append(raw.text)
    return found


def test_what_is_read_whole_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_LINE", 1000)
    monkeypatch.setattr(snapshot, "CHUNK", 512)
    (tmp_path / "one.json").write_text(json.dumps({"id": "a/b", "tags": ["x"] * 500}, indent=2))
    with pytest.raises(RecordError, match="longer than") as raised:
        ids(tmp_path / "one.json")
    assert raised.value.code == "unreadable_file"


@pytest.mark.slow
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_white_space_before_the_first_value_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bytes
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", 4)
    monkeypatch.setattr(snapshot, "MAX_LINE", 40)
    blank = mark + b" \n\t\r\n" * 7
    for body, found in (
        (b'{"id": "a/b"}\n{"id": "c/d"}', [(15, "a/b"), (16, "c/d")]),
        (b'[{"id": "a/b"}, {"id": "c/d"}]', [(1, "a/b"), (2, "c/d")]),
    ):
        (tmp_path / "rows").write_bytes(blank + body)
        raw = list(read_records(SourceFile(tmp_path / "rows", "rows")))
        assert [(each.line, json.loads(each.text)["id"]) for each in raw] == found
    (tmp_path / "rows").write_bytes(b" " * 48 + b"{}")
    with pytest.raises(RecordError, match="begins with") as caught:
        list(read_records(SourceFile(tmp_path / "rows", "rows")))
    assert caught.value.code == "not_json"
    (tmp_path / "rows").write_bytes(blank)
    with pytest.raises(RecordError, match="is empty"):
        list(read_records(SourceFile(tmp_path / "rows", "rows")))


def test_a_little_packed_text_is_not_unpacked_at_once(tmp_path: Path) -> None:
    """256 MiB in some kB: the line is set aside while a few times the bound of a line are held."""
    (tmp_path / "x.jsonl").write_bytes(zstandard.compress(b'{"id": "a/b"}\n' + b" " * 2**28 + b'x\n{"id": "c/d"}\n'))
    tracemalloc.start()
    found = [raw.problem and raw.problem.code for raw in read_records(SourceFile(tmp_path / "x.jsonl", ""))]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == [None, "line_too_long", None]
    assert peak < 6 * snapshot.MAX_LINE


@pytest.mark.parametrize("field", ["createdAt", "lastModified", "other"])
@pytest.mark.parametrize("value", [b'"\xff\xfe"', b"[" * 2000 + b"]" * 2000, b"9" * 400, b'{"a": 1}'])
def test_no_field_stops_the_passes_over_a_file(tmp_path: Path, field: str, value: bytes) -> None:
    row = b'{"id": "c/d", "' + field.encode() + b'": ' + value + b"}"
    (tmp_path / "x.jsonl").write_bytes(b'{"id": "a/b", "createdAt": "2024-02-03"}\n' + row + b"\n")
    source = SourceFile(tmp_path / "x.jsonl", "")
    assert newest_date(source) == ("2024-02-03", 2)
    assert repeated_ids([source]) == set()
    assert len(list(read_records(source))) == 2


def test_folders_are_read_in_a_stable_order_with_the_date_of_their_fetch(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "pages").mkdir(parents=True)
    for name in ("pages/2.jsonl.zst", "pages/1.jsonl.gz", "b.parquet", ".hidden.json", "rejects.jsonl", "notes.txt"):
        (folder / name).write_bytes(b"")
    (folder / SNAPSHOT_FILE).write_text('as_of = "2024-05-06"\n')
    found = find_inputs([str(folder)], tmp_path)
    assert [each.name for each in found] == ["b.parquet", "pages/1.jsonl.gz", "pages/2.jsonl.zst"]
    assert {each.as_of for each in found} == {"2024-05-06"}


def test_standard_input_is_kept_to_be_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    (source,) = find_inputs(["-"], tmp_path / "spool")
    for _ in range(2):
        assert ids(source.path) == ["a/one", "b/two"]
    assert source.name == "<stdin>"


def test_the_kind_that_a_fetch_states_is_that_of_its_records(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(LINES)
    (tmp_path / SNAPSHOT_FILE).write_text('as_of = "2024-05-06"\nkind = "dataset"\n')
    assert [each.kind for each in find_inputs([str(tmp_path)], tmp_path)] == [RecordKind.DATASET]


@pytest.mark.parametrize(
    ("rows", "day"),
    [
        ([{"id": "a/b", "created_at": "2024-03-04 01:00:00+00:00"}, {"id": "c/d", "last_modified": None}], "2024-03-04"),
        ([{"id": "a/b", "createdAt": 1709510400000}, {"id": "c/d", "createdAt": "2024-03-03"}], "2024-03-04"),
        ([{"id": "a/b", "createdAt": None, "lastModified": "2024-03-04T00:00:00Z"}], "2024-03-04"),
        ([{"id": "a/b", "createdAt": "2024-03-03T00:00:00Z"}, {"id": "c/d", "createdAt": "2024-03-03T23:00:00-04:00"}],
         "2024-03-04"),
        ([{"id": "a/b", "createdAt": "Mon, 04 Mar 2024 00:00:00 GMT", "likes": float("nan")}], "2024-03-04"),
        ([{"id": "0" * 24, "name": "a/b", "updatedAt": "2024-03-04T00:00:00.000Z"}], "2024-03-04"),
        ([{"id": "a/b", "info": {"created_at": "2024-03-04"}}], "2024-03-04"),
        ([{"id": "a/b", "createdAt": "9999-01-01"}, {"id": "c/d", "createdAt": "soon"}], ""),
        ([{"id": "a/b"}, {"id": 7}], ""),
    ],
)  # fmt: skip
def test_the_newest_date_of_rows_in_every_shape(tmp_path: Path, rows: list[dict[str, object]], day: str) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert newest_date(SourceFile(tmp_path / "rows.jsonl", "")) == (day, len(rows))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_the_date_of_a_table_is_that_of_its_newest_row(tmp_path: Path, unit: str, zone: str | None) -> None:
    dates = pa.array([1709510400, None, 1709420000], pa.int64())
    seconds = dates.cast(pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))
    table = pa.table({"id": ["a/b", "c/d", "e/f"], "createdAt": seconds})
    pq.write_table(table, tmp_path / "rows.parquet")
    os.utime(tmp_path / "rows.parquet", (0, 0))
    assert newest_date(SourceFile(tmp_path / "rows.parquet", "")) == ("2024-03-04", 3)


def test_ids_are_counted_in_every_shape(tmp_path: Path) -> None:
    text = '{"id": "a/b", "x": NaN}\n{"model_id": "a/b"}\n{"info": {"id": "c/d"}}\n{"id": "c/d"}\nno\n'
    (tmp_path / "rows.jsonl").write_text(text)
    assert repeated_ids([SourceFile(tmp_path / "rows.jsonl", "")]) == {"a/b", "c/d"}


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_inputs([str(tmp_path / "nothing")], tmp_path)
    with pytest.raises(InputError, match="holds no JSON, Parquet or README.md"):
        find_inputs([str(tmp_path)], tmp_path)


def test_a_frame_of_zstandard_that_refers_far_back_is_not_read(tmp_path: Path) -> None:
    """What a frame may refer back to is held in memory, whatever it holds itself."""
    for log, problem in ((27, None), (28, "too much memory")):
        settings = zstandard.ZstdCompressionParameters.from_level(3, window_log=log)
        packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()
        (tmp_path / "x.jsonl.zst").write_bytes(packer.compress(LINES) + packer.flush())
        with contextlib.nullcontext() if problem is None else pytest.raises(RecordError, match=problem):
            assert len(list(read_records(SourceFile(tmp_path / "x.jsonl.zst", "x")))) > 1


@pytest.mark.parametrize("body", [*MALFORMED_TOML.values(), b"kind = [1]\nas_of = {}", b"as_of = 'soon'"])
def test_a_folder_whose_date_cannot_be_read_has_none(tmp_path: Path, body: bytes) -> None:
    (tmp_path / SNAPSHOT_FILE).write_bytes(body)
    (tmp_path / "rows.jsonl").write_bytes(b"{}")
    (found,) = find_inputs([str(tmp_path)], tmp_path)
    assert (found.as_of, found.kind) == ("", None)


@pytest.mark.parametrize("date", ["2024-05-06", "'2024-05-06'", "2024-05-06T07:08:09Z"])
def test_the_date_of_a_folder_in_every_form(tmp_path: Path, date: str) -> None:
    (tmp_path / SNAPSHOT_FILE).write_text(f"as_of = {date}")
    assert read_snapshot_file(tmp_path).as_of == "2024-05-06"
