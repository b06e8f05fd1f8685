"""Tests of `ingest/hub/decode.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.catalogue.expressions import has_terms
from atlas_db.core.errors import RecordError
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind, RecordPart, Relation
from ingest.hub.decode import decode_record


def read(**fields: Any) -> HubRecord:
    return decode_record(json.dumps({"id": "a/m", "modelId": "a/m", **fields}).encode())


def claims(record: HubRecord) -> set[tuple[str, str]]:
    return {(claim.rel, claim.value) for claim in record.claims}


def test_a_list_row() -> None:
    record = read(
        downloads=5, likes=2, pipeline_tag="fill-mask", library_name="transformers", createdAt="2024-01-01T00:00:00.000Z",
        tags=["transformers", "bert", "fill-mask", "en", "dataset:squad", "arxiv:1810.04805", "base_model:x/y",
              "license:Apache-2.0", "license:mit", "region:us"],
    )  # fmt: skip
    assert record.parts == (RecordPart.TAGS,)
    assert claims(record) == {
        ("HAS_LICENSE", "apache-2.0"), ("HAS_LICENSE", "mit"), ("HAS_TASK", "fill-mask"), ("USES_LIBRARY", "transformers"),
        ("IN_LANGUAGE", "en"), ("TRAINED_ON", "squad"), ("CITES", "1810.04805"),
    }  # fmt: skip
    assert record.stated["license"] == "apache-2.0"
    assert record.stated["tags"] == ["bert"]
    assert [(p.name, p.relation, p.confidence) for p in record.parents] == [("x/y", Relation.FINETUNE, 0.8)]


def test_a_row_without_tags_ends_no_claim() -> None:
    from ingest.load.record_merge import merge_claims, merge_node

    tagged, bare = read(tags=["license:mit"]), read(downloads=7)
    node = merge_node(merge_node(None, tagged, "2024-01-01"), bare, "2024-02-01")
    claims = merge_claims({}, tagged.claims, merge_node(None, tagged, "2024-01-01"), "2024-01-01")
    after = merge_claims(claims, bare.claims, node, "2024-02-01")
    assert "valid_to" not in after["HAS_LICENSE", "mit"]
    assert (node["license"], node["last_seen"]) == ("mit", "2024-02-01")


def test_typed_tags_win_over_bare_ones() -> None:
    record = read(tags=["base_model:x/y", "base_model:quantized:x/y", "base_model:z/z", "base_model:merge:w/w"])
    assert [(p.name, p.relation, p.confidence == 1.0) for p in record.parents] == [
        ("x/y", Relation.QUANTIZED, True), ("z/z", Relation.MERGE, False), ("w/w", Relation.MERGE, True)
    ]  # fmt: skip


def test_a_single_model_answer() -> None:
    record = read(
        tags=["license:other"], sha="abc", gated="manual", config={"model_type": "llama"}, safetensors={"total": 8},
        siblings=[{"rfilename": "LICENSE"}, {"rfilename": "x/NOTICE.txt"}, {"rfilename": "config.json"}, None],
        cardData={"license": "other", "license_name": "llama3", "license_link": "LICENSE", "language": False,
                  "base_model": ["x/y"], "base_model_relation": "adapter", "datasets": "c4"},
    )  # fmt: skip
    assert record.parts == (RecordPart.TAGS, RecordPart.CARD, RecordPart.CONFIG)
    assert ("HAS_ARCHITECTURE", "llama", 1.0, RecordPart.CONFIG) in record.claims
    assert {
        ("HAS_LICENSE", "llama3"), ("HAS_LICENSE", "other"), ("IN_LANGUAGE", "no"), ("TRAINED_ON", "c4"),
        ("HAS_ARCHITECTURE", "llama"), ("HAS_RELATION", "adapter"),
    } == claims(record)  # fmt: skip
    assert record.details["license_files"] == ["LICENSE", "x/NOTICE.txt"]
    assert (record.details["gated"], record.details["model_type"], record.details["num_params"]) == (
        "manual",
        "llama",
        8,
    )
    assert [(p.name, p.relation, p.confidence) for p in record.parents] == [("x/y", Relation.ADAPTER, 1.0)]


def test_expanded_base_models() -> None:
    wire = {"relation": "quantized", "models": [{"_id": "1", "id": "x/y"}]}
    assert [(p.name, p.relation) for p in read(tags=[], baseModels=wire).parents] == [("x/y", Relation.QUANTIZED)]


def test_a_card_on_its_own_and_with_its_answer() -> None:
    text = "---\nlicense: mit\nbase_model: x/y\n---\n# Model\n"
    alone = decode_record(json.dumps({"id": "a/m", "card": text}).encode())
    assert (alone.parts, alone.details["license"], alone.card) == ((RecordPart.CARD,), "mit", text)
    both = decode_record(
        json.dumps({"id": "a/m", "info": {"modelId": "a/m", "tags": ["license:mit"]}, "card": text}).encode()
    )
    assert both.parts == (RecordPart.TAGS, RecordPart.CARD)
    assert claims(both) == {("HAS_LICENSE", "mit")}
    missing = "Error: the path 'README.md' does not exist in the given tree"
    none = decode_record(json.dumps({"id": "a/m", "info": {"modelId": "a/m", "tags": []}, "card": missing}).encode())
    assert "card_sha256" not in none.details


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"id": "a", "modelId": "a"}, RecordKind.MODEL),
        ({"id": "a", "citation": "x", "tags": []}, RecordKind.DATASET),
        ({"id": "a", "tags": ["task_categories:qa"]}, RecordKind.DATASET),
        ({"id": "a", "pipeline_tag": "fill-mask"}, RecordKind.MODEL),
        ({"id": "a", "tags": ["language:en", "format:csv"]}, RecordKind.DATASET),
        ({"id": "a", "card": "---\nsize_categories: [n<1K]\n---\n"}, RecordKind.DATASET),
        ({"id": "a", "card": "---\ntask_categories: [x]\nbase_model: y/z\n---\n"}, RecordKind.MODEL),
        ({"id": "a", "modelId": "a", "tags": ["language:en"]}, RecordKind.MODEL),
    ],
)
def test_kinds(row: dict[str, Any], kind: RecordKind) -> None:
    assert decode_record(json.dumps(row).encode()).kind is kind


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{}", "no_id"), (b'{"id": " "}', "no_id"), (b"[1]", "wrong_type"), (b"{", "not_json"), (b"\xff\xfe", "not_json"),
     (b'{"id": 7}', "wrong_type"), (b'{"id": "a/\\ud800"}', "bad_id"), (b"[" * 10**5, "not_json")],
)  # fmt: skip
def test_bad_records_are_named(body: bytes, code: str) -> None:
    with pytest.raises(RecordError) as caught:
        decode_record(body)
    assert caught.value.code == code or (code == "not_json" and caught.value.code == "wrong_type")


@given(st.binary(max_size=60))
def test_no_bytes_break_the_decoder(body: bytes) -> None:
    try:
        decode_record(body)
    except RecordError as error:
        assert error.code


@pytest.mark.slow
@pytest.mark.real_data
def test_real_cards(data: Path) -> None:
    """Of 23,080 real cards none breaks the reader, and nearly all front matter is read."""
    import zstandard

    broken = total = norwegian = 0
    with (data / "cards-2022-02" / "cards.jsonl.zst").open("rb") as handle:
        text = zstandard.ZstdDecompressor().stream_reader(handle).read()
    for line in text.splitlines():
        record = decode_record(line)
        total += 1
        broken += any(code == "bad_front_matter" for code, _ in record.notes)
        norwegian += ("IN_LANGUAGE", "no") in claims(record)
    assert total == 23_080
    assert 0 < broken < 200
    assert norwegian >= 10


@pytest.mark.parametrize("date", ["2023-02-29T10:00:00.000Z", "2024-04-31T00:00:00Z", "2024-01-01T10:20:60Z"])
def test_a_day_that_no_calendar_has_costs_the_date(date: str) -> None:
    row = {"id": "a/b", "createdAt": date, "lastModified": "2024-05-01T00:00:00.000Z", "likes": 3}
    found = decode_record(json.dumps(row).encode())
    assert "created_at" not in found.details
    assert (found.details["last_modified"], found.details["likes"]) == ("2024-05-01T00:00:00Z", 3)
    assert [(code, text.partition(":")[0]) for code, text in found.notes] == [("unreadable_field", "createdAt")]


def test_fields_of_a_card_in_odd_shapes_are_read_with_a_note() -> None:
    card = {"license": {"name": "cc-by-nc-4.0"}, "language": {"en": 1}, "pipeline_tag": ["text-generation", "b"]}
    record = decode_record(json.dumps({"id": "a/b", "cardData": {**card, "library_name": [5]}}).encode())
    assert {(claim.rel, claim.value) for claim in record.claims} == {
        ("HAS_LICENSE", "cc-by-nc-4.0"),
        ("IN_LANGUAGE", "en"),
        ("HAS_TASK", "text-generation"),
    }
    assert [code for code, _ in record.notes] == ["odd_field"] * 3 + ["unreadable_field"]
    assert record.details["pipeline_tag"] == "text-generation"


@pytest.mark.parametrize(
    "card",
    [{"license": 5}, {"license": True}, {"license": {"foo": 1}}, {"license_name": "my-terms"}, {"license_link": "LICENSE"},
     {"license": "Permission is granted " * 99}],
)  # fmt: skip
def test_a_license_that_cannot_be_read_is_not_one_that_is_missing(card: dict[str, object]) -> None:
    record = decode_record(json.dumps({"id": "a/b", "cardData": card}).encode())
    stated = [claim.value for claim in record.claims if claim.rel == "HAS_LICENSE"]
    assert stated and not any(has_terms(each) for each in stated)
    assert record.notes


def test_licenses_are_kept_as_written_beside_their_ids() -> None:
    row = {"id": "a/b", "tags": ["license:MIT"], "cardData": {"license": ["LicenseRef-Acme", "gemma"]}}
    record = decode_record(json.dumps(row).encode())
    assert record.details["licenses_as_written"] == ["LicenseRef-Acme", "MIT"]
    assert "licenses_as_written" not in decode_record(b'{"id": "a/b", "tags": ["license:mit"]}').details


@pytest.mark.parametrize("character", ["\n", "\r", "\x00", "\x1b", "\x85"])
def test_what_has_control_characters_is_left_out_with_a_note(character: str) -> None:
    odd = f"a/b{character}c"
    row = {
        "id": "x/y", "pipeline_tag": odd, "library_name": "diffusers", "baseModels": {"models": [{"id": odd}]},
        "tags": [f"base_model:{odd}", f"license:{odd}", f"dataset:{odd}", odd, "license:mit"],
        "cardData": {"base_model": [odd, "o/kept"], "license_name": odd},
    }  # fmt: skip
    record = decode_record(json.dumps(row).encode())
    assert {parent.name for parent in record.parents} == {"o/kept"}
    named = [*(claim.value for claim in record.claims), *record.stated.values(), *record.details.values()]
    assert not [each for each in named if isinstance(each, str) and character in each]
    assert (record.stated["library_name"], record.stated["tags"]) == ("diffusers", None)
    texts = [text for code, text in record.notes if code == "unreadable_field"]
    assert any(text.startswith("parent: ") and "has control characters" in text for text in texts)


@pytest.mark.parametrize("size", [2**63 - 1, 2**63, 10**30, -1])
@pytest.mark.parametrize("field", ["downloads", "likes", "safetensors.total", "gguf.total", "safetensors.parameters"])
def test_an_integer_beyond_64_bits_costs_the_field(field: str, size: int) -> None:
    name, _, inner = field.partition(".")
    value = {"total": size} if inner == "total" else {"parameters": {"F32": size}} if inner else size
    record = decode_record(json.dumps({"id": "x/y", "tags": [], name: value}).encode())
    kept = record.details.get("num_params") if inner else record.stated[name]
    fits = 0 <= size < 2**63
    assert kept == (size if fits else None)
    assert any(name in text for _, text in record.notes) is not fits


def test_the_number_of_tags_is_bounded() -> None:
    tags = ["license:mit", *(f"dataset:o/d{n}" for n in range(10_005))]
    record = decode_record(json.dumps({"id": "x/y", "tags": tags}).encode())
    assert len(record.claims) == 10_000 and record.stated["license"] == "mit"
    assert record.notes == [("odd_field", "tags: 10,006, of which 10,000 are read")]


@pytest.mark.parametrize(
    "license", ["{!!binary aGk=: x}", "{1: {null: mit}}", "{? !!timestamp 2024-05-06 : x}", "!!int mit"]
)
def test_a_licence_in_a_mapping_with_odd_keys_is_read_or_noted(license: str) -> None:
    card = f"---\nlicense: {license}\nbase_model: {{!!bool true: {{1: c/d}}}}\n---\n"
    record = decode_record(json.dumps({"id": "a/b", "card": card}).encode())
    (stated,) = [each.value for each in record.claims if each.rel == "HAS_LICENSE"]
    assert stated == "mit" or any("license cannot be read" in text for _, text in record.notes)
