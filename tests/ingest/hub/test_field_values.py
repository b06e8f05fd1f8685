"""Tests of `ingest/hub/field_values.py`: each value as some exporter writes it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.decoding import decode_json
from ingest.hub import field_values as fields

DATE = "2024-03-05T10:00:00Z"
WHEN = datetime(2024, 3, 5, 10, tzinfo=UTC)
EPOCH = int(WHEN.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        "2024-03-05T10:00:00.000Z", str(WHEN), str(WHEN.replace(tzinfo=None)), WHEN.isoformat(), "2024-03-05 10:00:00 UTC",
        "Tue, 05 Mar 2024 10:00:00 GMT", "2024-03-05T12:00:00+02:00", "20240305T100000Z", "2024-03-05T10:00:00.123456789",
        EPOCH, float(EPOCH), EPOCH * 10**3, EPOCH * 10**6, EPOCH * 10**9, str(EPOCH), f"{EPOCH * 1000}.0",
    ],
)  # fmt: skip
def test_a_date_in_every_form(value: object) -> None:
    assert fields.as_date(value) == DATE


# Epochs are what pandas has written by default for years.
@pytest.mark.filterwarnings("ignore:.*epoch")
def test_dates_that_pandas_writes() -> None:
    column = pd.DataFrame({"x": [pd.Timestamp(WHEN), pd.NaT]})
    for form in ({}, {"date_unit": "s"}, {"date_unit": "ns"}, {"date_format": "iso"}):
        written = json.loads(column.to_json(orient="records", **{"date_format": "epoch", **form}))
        assert [fields.as_date(row["x"]) for row in written] == [DATE, None], form
    assert fields.as_date(int(pd.NaT.value)) is None


@pytest.mark.parametrize(
    "value", ["soon", True, [], 12, 10**30, float("inf"), "0001-01-01T00:00:00+05:00", "9" * 19, {}]
)
def test_what_is_no_date(value: object) -> None:
    with pytest.raises(ValueError, match="no date"):
        fields.as_date(value)


@pytest.mark.parametrize(
    ("value", "count"), [(900, 900), (900.0, 900), ("900", 900), ("900.0", 900), ("9e2", 900), (0, 0)]
)
def test_counts(value: object, count: int) -> None:
    assert fields.as_count(value) == count


@pytest.mark.parametrize("value", [900.5, -1, True, "many", [], 2**63, float("inf"), "1,234"])
def test_what_is_no_count(value: object) -> None:
    with pytest.raises(ValueError, match="no count"):
        fields.as_count(value)


@pytest.mark.parametrize("value", [None, float("nan"), "", "nan", "NaN", "None", "<NA>", "null", " "])
def test_what_is_missing_costs_nothing(value: object) -> None:
    readers = (fields.as_text, fields.as_count, fields.as_flag, fields.as_gate, fields.as_date, fields.as_list)
    for reader in (*readers, fields.as_mapping, fields.as_parents, fields.as_file_names, fields.as_weights_total):
        assert reader(value) is None, reader


@pytest.mark.parametrize(
    ("value", "gate"),
    [(True, "true"), (0, "false"), (0.0, "false"), ("False", "false"), ("manual", "manual"), ("Auto", "auto")],
)
def test_gates(value: object, gate: str) -> None:
    assert fields.as_gate(value) == gate


@pytest.mark.parametrize(
    "value",
    [["a", "it's"], ["a", None, "it's"], ["a", float("nan"), "it's"], '["a", "it\'s"]', "['a', \"it's\"]", "['a' \"it's\"]",
     "['a'\n \"it's\"]", "('a', \"it's\")"],
)  # fmt: skip
def test_lists_in_every_form(value: object) -> None:
    if value == "('a', \"it's\")":
        with pytest.raises(ValueError, match="no list"):
            fields.as_list(value)
    else:
        assert fields.as_list(value) == ["a", "it's"]


def test_lists_that_numpy_prints() -> None:
    array = pd.Series(["a b", "license:mit", "c,d"]).to_numpy(dtype=object)
    assert fields.as_list(str(array)) == ["a b", "license:mit", "c,d"]
    assert fields.as_list(str(array[:1])) == ["a b"]
    with pytest.raises(ValueError, match="neither JSON nor"):  # numpy leaves out the middle of long ones
        fields.as_list(str(pd.Series([f"t{n}" for n in range(2000)]).to_numpy(dtype=object)))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": 1, "b": None, "c": float("nan")}, {"a": 1}),
        ({"a": None, "b": None}, None),
        ({}, {}),
        ('{"a": [1, Infinity]}', {"a": [1, float("inf")]}),
        ("{'a': None, 'b': True}", {"b": True}),
        ([["a", 1], ["b", None]], {"a": 1}),
        ('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    ],
)
def test_objects_in_every_form(value: object, found: object) -> None:
    assert fields.as_mapping(value) == found


FILES = ["LICENSE", "it's (1).bin"]


def files_in_every_form() -> list[Any]:
    from huggingface_hub.hf_api import BlobLfsInfo, RepoFile, RepoSibling

    lfs = BlobLfsInfo(size=1, sha256="00", pointer_size=2)
    objects = [RepoSibling("LICENSE"), RepoSibling("it's (1).bin", size=1, blob_id="ab", lfs=lfs)]
    wire = [{"rfilename": name, "size": None, "lfs": {"size": 1}} for name in FILES]
    plain = [{"rfilename": name} for name in FILES]
    assert RepoFile  # its paths are a listing of files, no record
    return [
        wire, [*wire, None], FILES, [str(each) for each in objects], str(objects), json.dumps(wire), str(wire),
        [json.dumps(each) for each in plain], {"rfilename": FILES, "size": [None, None]}, str(pd.Series(plain).to_numpy()),
        str(pd.Series(FILES).to_numpy(dtype=object)),
    ]  # fmt: skip


@pytest.mark.parametrize("form", range(11))
def test_files_in_every_form(form: int) -> None:
    assert fields.as_file_names(files_in_every_form()[form]) == FILES


@pytest.mark.parametrize("value", [[], [None], "[]"])
def test_a_list_without_files_says_nothing(value: object) -> None:
    assert fields.as_file_names(value) is None


@pytest.mark.parametrize(
    "value",
    [["<RepoSibling object at 0x7f>"], [{"size": 1}], ["LICENSE", 7], ["LICENSE", "RepoSibling(size=None)"], "LICENSE", 7,
     "[RepoSibling(rfilename='LICENSE', size=None), RepoSibling(size=None)]", "['LICENSE' ... 'x']"],
)  # fmt: skip
def test_files_that_cannot_be_read_are_unknown(value: object) -> None:
    with pytest.raises(ValueError):
        fields.as_file_names(value)


@pytest.mark.parametrize(
    "text", ["['\\x' 'b']", "['a\nb' 'c']", "[RepoSibling(rfilename='\\x')]", "[RepoSibling(rfilename='a\nb')]"]
)
def test_quoted_text_that_is_no_literal_is_named(text: str) -> None:
    for read in (fields.as_list, fields.as_file_names):
        with pytest.raises(ValueError):
            read(text)


def test_totals_and_parents() -> None:
    from huggingface_hub.hf_api import SafeTensorsInfo

    assert fields.as_weights_total(str(SafeTensorsInfo(parameters={"F32": 5}, total=5))) == {"total": 5}
    assert fields.as_weights_total('{"parameters": {"F32": 5}}') == {"parameters": {"F32": 5}}
    wire = {"relation": "merge", "models": [{"_id": "1", "id": "x/y"}]}
    assert fields.as_parents(wire) == fields.as_parents(json.dumps(wire)) == fields.as_parents(str(wire)) == wire
    assert fields.as_parents(["x/y"]) == fields.as_parents("['x/y']") == fields.as_parents("x/y") == ["x/y"]


@pytest.mark.parametrize(
    ("body", "value", "replaced"),
    [
        (b'{"a": NaN, "b": -Infinity}', {"a": None, "b": float("-inf")}, False),
        (b'{"a": "\\ud800x", "\\udc00": 1}', {"a": "\ufffdx", "\ufffd": 1}, True),
        (b'{"a": "\\ud83d\\ude00", "b": Infinity}', {"a": "\U0001f600", "b": float("inf")}, False),
        (b'\xef\xbb\xbf{"a": "\xff"}', {"a": "\ufffd"}, True),
        (b'{"a": "two\nlines"}', {"a": "two\nlines"}, False),
    ],
)
def test_json_beyond_the_standard(body: bytes, value: dict[str, Any], replaced: bool) -> None:
    found, changed = decode_json(body)
    assert {key: None if each != each else each for key, each in found.items()} == value
    assert changed is replaced


@given(st.binary(max_size=40))
def test_no_bytes_break_the_reader_of_json(body: bytes) -> None:
    try:
        decode_json(body)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("text", ["['a' " * 50_000, "['" + "a\\'" * 90_000, "['a'" + " " * 200_000 + "b]"])
def test_texts_of_lists_that_do_not_end_take_linear_time(text: str) -> None:
    began = time.process_time()
    for read in (fields.as_list, fields.as_file_names):
        with pytest.raises(ValueError, match="neither JSON nor a Python literal"):
            read(text)
    assert time.process_time() - began < 5, "the square of the length would take hours"


def test_names_of_files_take_linear_time() -> None:
    began = time.process_time()
    assert fields.as_file_names([f"A({'=' * 200_000}"]) is not None
    assert time.process_time() - began < 5
    long = "[" + "RepoSibling(rfilename='a.txt') " * 40_000
    with pytest.raises(ValueError, match="neither JSON"):
        fields.as_file_names(long)
