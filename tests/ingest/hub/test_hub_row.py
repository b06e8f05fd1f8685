"""Tests of `ingest/hub/hub_row.py`: rows as the Hub's own tools, pandas, `datasets` and Parquet write them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind, RecordPart
from ingest.hub.decode import decode_record
from ingest.hub.hub_row import UNREADABLE
from ingest.hub.snapshot import SourceFile, read_records

WIRE: dict[str, Any] = {
    "_id": "65f9769e8213fe9ea8116673", "id": "otter/river-chat", "author": "otter", "sha": "ab12", "private": False,
    "createdAt": "2024-03-05T10:00:00.000Z", "lastModified": "2024-03-06T10:00:00.000Z", "gated": "manual", "disabled": False,
    "downloads": 40, "likes": 1, "library_name": "transformers", "pipeline_tag": "text-generation",
    "tags": ["transformers", "license:llama3", "base_model:acme/river", "base_model:finetune:acme/river"],
    "cardData": {"license": "llama3", "language": ["en"], "base_model": "acme/river", "datasets": ["acme/talks"]},
    "siblings": [{"rfilename": "LICENSE"}, {"rfilename": "README.md"}, {"rfilename": "model.safetensors"}],
    "config": {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "time_step_limit": [0.0, 9.5]},
    "safetensors": {"parameters": {"F32": 7}, "total": 7},
    "baseModels": {"relation": "finetune", "models": [{"_id": "1", "id": "acme/river"}]},
}  # fmt: skip
DATASET: dict[str, Any] = {
    "_id": "621ffdd236468d709f181d58", "id": "acme/pond", "author": "acme", "sha": "cd34", "private": False, "gated": False,
    "createdAt": "2023-03-05T10:00:00.000Z", "lastModified": "2023-03-06T10:00:00.000Z", "downloads": 4, "likes": 2,
    "tags": ["license:mit", "region:us"], "cardData": {"license": "mit"}, "siblings": [{"rfilename": "data.csv"}],
}  # fmt: skip


def read(row: dict[str, Any]) -> HubRecord:
    return decode_record(json.dumps(row).encode())


def meaning(record: HubRecord) -> dict[str, Any]:
    """What a record says, without its digest and the words of its notes."""
    said = dataclasses.asdict(record)
    return {key: sorted(value) if key == "claims" else value for key, value in said.items() if key != "digest"}


def from_the_hub_library() -> dict[str, dict[str, Any]]:
    from huggingface_hub.cli._output import _dataclass_to_dict
    from huggingface_hub.hf_api import ModelInfo

    info = ModelInfo(**json.loads(json.dumps(WIRE)))
    printed = json.loads(json.dumps(_dataclass_to_dict(info), default=str))
    assert "card_data" in printed
    return {
        "hf models info --json": printed,
        "vars with default=str": json.loads(json.dumps(vars(info), default=str)),
    }


def from_tables(folder: Path) -> dict[str, dict[str, Any]]:
    frame = pd.DataFrame([WIRE, {"id": "x/y"}])
    frame["createdAt"] = pd.to_datetime(frame["createdAt"])
    frame["lastModified"] = pd.to_datetime(frame["lastModified"])
    nested = ("cardData", "siblings", "config", "safetensors", "baseModels")
    made = {
        "pandas, epochs and floats": json.loads(frame.to_json(orient="records", date_format="epoch"))[0],
        "pandas, ISO dates": json.loads(frame.to_json(orient="records", lines=True, date_format="iso").splitlines()[0]),
        "all text": {key: value if isinstance(value, str) else str(value) for key, value in WIRE.items()},
        "nested fields as JSON text": {k: json.dumps(v) if k in nested else v for k, v in WIRE.items()},
    }
    text = frame.assign(**{name: frame[name].map(json.dumps) for name in nested})
    plain = frame.assign(createdAt=frame["createdAt"].dt.tz_localize(None), tags=frame["tags"])
    tables = {
        "Parquet, structs": pa.Table.from_pylist([WIRE, {"id": "x/y", "cardData": {"license_name": "z"}}]),
        "Parquet, text and zones": pa.Table.from_pandas(text),
        "Parquet, plain nanoseconds": pa.Table.from_pandas(plain),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / "rows.parquet")
        made[name] = json.loads(next(iter(read_records(SourceFile(folder / "rows.parquet", "x")))).text)
    return made


# Epochs are what pandas has written by default for years.
@pytest.mark.filterwarnings("ignore:.*epoch")
def test_every_tool_gives_the_same_record(tmp_path: Path) -> None:
    expected = meaning(read(WIRE))
    assert expected["details"]["license_files"] == ["LICENSE"]
    assert not expected["notes"]
    for name, row in (from_the_hub_library() | from_tables(tmp_path)).items():
        assert meaning(read(row)) == expected, name


def test_a_card_that_asdict_emptied_is_unknown() -> None:
    from huggingface_hub.hf_api import ModelInfo

    row = json.loads(json.dumps(dataclasses.asdict(ModelInfo(**json.loads(json.dumps(WIRE)))), default=str))
    assert row["card_data"] == {}
    assert meaning(read(row)) == meaning(read({key: value for key, value in WIRE.items() if key != "cardData"}))
    assert RecordPart.CARD in read({**WIRE, "cardData": {}}).parts


def test_datasets_of_the_hub_library_are_datasets() -> None:
    from huggingface_hub.cli._output import _dataclass_to_dict
    from huggingface_hub.hf_api import DatasetInfo

    info = DatasetInfo(**json.loads(json.dumps(DATASET)))
    record = read(json.loads(json.dumps(vars(info), default=str)))
    assert (record.kind, record.id) == (RecordKind.DATASET, "acme/pond")
    assert {(claim.rel, claim.value) for claim in record.claims} == {("HAS_LICENSE", "mit")}
    assert not record.notes
    for fields in ({"description": "Ponds"}, {"tags": ["modality:text"]}, {"cardData": {"task_categories": ["other"]}}):
        printed = _dataclass_to_dict(DatasetInfo(**{**DATASET, "siblings": None, **fields}))
        assert read(json.loads(json.dumps(printed, default=str))).kind is RecordKind.DATASET, fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("createdAt", "soon"), ("createdAt", [2024]), ("lastModified", {"a": 1}), ("downloads", "many"), ("downloads", -3),
        ("likes", 1.5), ("private", "perhaps"), ("disabled", 7), ("gated", 7), ("sha", 7), ("tags", "a, b"), ("tags", 7),
        ("pipeline_tag", ["a"]), ("library_name", {}), ("cardData", 7), ("siblings", "many"), ("siblings", [7]),
        ("config", "llama"), ("safetensors", [1]), ("baseModels", 7), ("card", 7), ("downloads", 2**70),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_read_costs_that_field_alone(field: str, value: object) -> None:
    record = read({**WIRE, field: value})
    assert [code for code, _ in record.notes] == [UNREADABLE]
    assert record.notes[0][1].startswith(f"{field}: ")
    without = meaning(read({key: each for key, each in WIRE.items() if key != field}))
    assert {**meaning(record), "notes": []} == without


def test_entries_of_a_list_that_cannot_be_read_cost_those_entries() -> None:
    record = read({**WIRE, "tags": [*WIRE["tags"], None, 7]})
    assert record.notes == [(UNREADABLE, "tags: 7 is no text (1 left out)")]
    assert {**meaning(record), "notes": []} == meaning(read(WIRE))


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not(word: str) -> None:
    body = json.dumps(WIRE).replace("9.5", word).replace('"likes": 1', f'"trendingScore": {word}, "likes": 1')
    assert meaning(decode_record(body.encode())) == meaning(read(WIRE))
    counted = decode_record(json.dumps(WIRE).replace('"downloads": 40', f'"downloads": {word}').encode())
    assert counted.stated["downloads"] is None
    assert [text for _, text in counted.notes] == (
        [] if word == "NaN" else [f"downloads: {word[:-5].lower()} is no count"]
    )


@pytest.mark.parametrize("digits", [20, 4301])
def test_a_count_of_too_many_digits_costs_the_count(digits: int) -> None:
    body = json.dumps(WIRE).replace('"downloads": 40', f'"downloads": {"9" * digits}').encode()
    counted = decode_record(body)
    assert counted.stated["downloads"] is None
    assert [text.partition(":")[0] for _, text in counted.notes] == ["downloads"]
    assert counted.claims == read(WIRE).claims


def test_lone_surrogates_are_replaced() -> None:
    record = decode_record(json.dumps({**WIRE, "description": "\ud800", "library_name": "a\udc00"}).encode())
    assert record.stated["library_name"] == "a\ufffd"
    assert [code for code, _ in record.notes] == ["replaced_characters"]
    json.dumps(meaning(record), ensure_ascii=False).encode()


def test_the_better_of_two_spellings_is_read() -> None:
    assert (
        read({"id": "a/b", "createdAt": "soon", "created_at": "2024-03-05"}).details["created_at"]
        == "2024-03-05T00:00:00Z"
    )
    assert not read({"id": "a/b", "createdAt": "soon", "created_at": "2024-03-05"}).notes
    card = "license: mit\nlanguage: 'no'"
    assert {c.value for c in read({"id": "a/b", "card_data": card, "cardData": card}).claims} == {"mit", "no"}
    assert read({"id": "a/b", "card_data": "license: [mit"}).notes[0][0] == "bad_front_matter"


def test_files_that_are_unknown_are_not_none() -> None:
    for files in (None, [], [{"size": 1}], "x"):
        assert "license_files" not in read({**WIRE, "siblings": files}).details
    assert read({**WIRE, "siblings": [{"rfilename": "a.txt"}]}).details["license_files"] == []


def test_an_inner_answer_is_read_in_every_shape() -> None:
    inner = {"created_at": "2024-03-05 10:00:00+00:00", "card_data": "license: mit", "downloads": "4"}
    record = read({"id": "a/b", "info": inner, "card": "---\nlanguage: fr\n---\n"})
    assert (record.id, record.details["created_at"]) == ("a/b", "2024-03-05T10:00:00Z")
    assert {claim.value for claim in record.claims} == {"mit", "fr"}


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([*WIRE, "created_at", "card_data", "base_models", "info", "model_id"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_no_value_of_any_field_costs_the_row(fields: dict[str, Any]) -> None:
    record = decode_record(json.dumps({**fields, "id": "a/b"}).encode(), RecordKind.MODEL)
    assert record.id == "a/b"


def test_an_entry_of_the_javascript_library_has_its_name_as_id() -> None:
    entry = {"id": WIRE["_id"], "name": "a/b", "private": False, "gated": False, "task": "fill-mask", "likes": 3,
             "downloads": 9, "updatedAt": "2024-03-05T10:00:00.000Z"}  # fmt: skip
    record = read(entry)
    assert (record.id, record.details["last_modified"], record.details["likes"]) == ("a/b", "2024-03-05T10:00:00Z", 3)
    assert {claim.value for claim in record.claims} | {record.details["pipeline_tag"]} == {"fill-mask"}
    assert read({"id": "a/b", "updatedAt": "2024-03-05T10:00:00.000Z", "name": "b"}).id == "a/b"
