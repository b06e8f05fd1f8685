"""Tests of `ingest/hub/parent_claims.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordPart, Relation
from ingest.hub import parent_claims
from ingest.hub.decode import decode_record
from ingest.hub.parent_claims import split_relation
from ingest.normalise.parent_names import NamedParent


def record(**fields: Any) -> HubRecord:
    return decode_record(json.dumps({"id": "kid/model", "modelId": "kid/model", **fields}).encode())


def parents(found: HubRecord) -> list[tuple[str, Relation, float, str, str]]:
    return [(each.name, each.relation, each.confidence, each.part.value, each.relation_word) for each in found.parents]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("quantized:a/b", NamedParent("a/b", "quantized")),
        ("a/b", NamedParent("a/b")),
        ("distill:a/b", NamedParent("a/b", "distill")),
        ("distill:gpt2", NamedParent("gpt2", "distill")),
        ("finetune:gpt2", NamedParent("gpt2", "finetune")),
        ("llama3:8b", NamedParent("llama3:8b")),
        ("mistral:7b", NamedParent("mistral:7b")),
        ("mistral:latest", NamedParent("mistral:latest")),
        ("a/b:Q4_K_M", NamedParent("a/b:Q4_K_M")),
        ("https://hf.co/a/b", NamedParent("https://hf.co/a/b")),
        ("finetune:", NamedParent("", "finetune")),
        (":a/b", NamedParent("a/b")),
        (" quantized :a/b", NamedParent("a/b", "quantized")),
        ("2x:a/b", NamedParent("a/b", "2x")),
        ("量化:a/b", NamedParent("a/b", "量化")),
        ("quantized:quantized", NamedParent("", "quantized")),
    ],
)
def test_the_relation_in_a_tag(text: str, named: NamedParent) -> None:
    assert split_relation(text) == named


def test_each_place_is_a_claim_of_its_own() -> None:
    found = record(
        tags=["base_model:a/b", "base_model:quantized:a/b"],
        cardData={"base_model": ["a/b", "c/d"], "base_model_relation": "merge"},
        baseModels={"relation": "quantized", "models": [{"id": "a/b"}]},
    )
    assert parents(found) == [
        ("a/b", Relation.QUANTIZED, 1.0, "tags", ""),
        ("a/b", Relation.MERGE, 1.0, "card", ""),
        ("c/d", Relation.MERGE, 1.0, "card", ""),
        ("a/b", Relation.QUANTIZED, 1.0, "base_models", ""),
    ]
    assert found.parts == (RecordPart.TAGS, RecordPart.CARD, RecordPart.BASE_MODELS)


def test_an_unknown_relation_word_is_kept_as_written() -> None:
    (found,) = record(cardData={"base_model": "a/b", "base_model_relation": "Distilled from"}).parents
    assert (found.name, found.relation_word) == ("a/b", "Distilled from")
    assert found.confidence < 1.0
    (found,) = record(tags=["base_model:distill:a/b"]).parents
    assert (found.name, found.relation_word) == ("a/b", "distill")
    (found,) = record(cardData={"base_model": "a/b", "base_model_relation": "fine-tuned"}).parents
    assert (found.relation, found.confidence, found.relation_word) == (Relation.FINETUNE, 0.9, "fine-tuned")


@pytest.mark.parametrize(
    ("relation", "relations"),
    [
        (["quantized"], [Relation.QUANTIZED, Relation.QUANTIZED]),
        (["adapter", "merge"], [Relation.ADAPTER, Relation.MERGE]),
        ({"a/b": "adapter", "c/d": "merge"}, [Relation.ADAPTER, Relation.MERGE]),
        (["merge", "merge", "merge"], [Relation.MERGE, Relation.MERGE]),
    ],
)
def test_relations_in_lists(relation: Any, relations: list[Relation]) -> None:
    found = record(cardData={"base_model": ["a/b", "c/d"], "base_model_relation": relation})
    assert [each.relation for each in found.parents] == relations
    assert all(each.confidence == 1.0 for each in found.parents)


@pytest.mark.parametrize(
    "value",
    [
        {"relation": "adapter", "models": [{"id": "a/b", "_id": "65"}]},
        [{"relation": "adapter", "models": [{"id": "a/b"}]}],
        '{"relation": "adapter", "models": [{"id": "a/b"}]}',
    ],
)
def test_shapes_of_the_expanded_list(value: Any) -> None:
    assert parents(record(baseModels=value)) == [("a/b", Relation.ADAPTER, 1.0, "base_models", "")]


@pytest.mark.parametrize("value", [["a/b"], "a/b", '["a/b"]'])
def test_expanded_lists_of_bare_ids(value: Any) -> None:
    (found,) = record(baseModels=value).parents
    assert (found.name, found.part) == ("a/b", RecordPart.BASE_MODELS)


def test_words_that_name_no_model_are_noted_and_no_parents() -> None:
    found = record(tags=["base_model:None", "base_model:finetune:None"], cardData={"base_model": ["n/a", "ab/" * 200]})
    assert found.parents == []
    assert [code for code, _ in found.notes] == ["no_model_name"] * 3 + ["oversized_value"]


def test_the_number_of_parents_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent_claims, "MAX_PARENTS", 2)
    names = ["acme/a", "acme/b", "acme/c"]
    for fields in ({"cardData": {"base_model": names}}, {"tags": [f"base_model:{name}" for name in names]}):
        found = record(**fields)
        assert [each.name for each in found.parents] == names[:2]
        assert ("odd_field", "base_model: of very many names 2 are read") in found.notes
    found = record(baseModels=[{"relation": "merge", "models": [{"id": name}]} for name in names])
    assert [each.name for each in found.parents] == names[:2]
