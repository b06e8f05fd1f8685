"""Tests of `atlas_db/claims/placeholder_names.py`; words alone are tested with the fields that hold them."""

from __future__ import annotations

import time

import pytest

from atlas_db.claims.hub_renames import HubRenames
from atlas_db.claims.model_names import MentionIndex, NameEvidence
from atlas_db.claims.placeholder_names import is_bare_word, is_template_name, names_no_model
from atlas_db.core.terms import Resolution


@pytest.mark.parametrize(
    "text",
    ["none@main", "None#x", "none:latest", "none (from scratch)", "Unknown (private)", "https://huggingface.co/None",
     "https://hf-mirror.com/None", "[None](None)", "models--None", "hf://none", "none/tree/main", "Base model: None",
     "unknown:v1", "N/A (scratch)", "**None**", "`none`", "aucun", "Keine", "无", "なし", "нет", "CHANGEME"],
)  # fmt: skip
def test_words_with_something_around_them(text: str) -> None:
    assert names_no_model(text)


@pytest.mark.parametrize(
    "name", ["user/model", "None/None", "your-username/river-7b", "unknown/unknown", "org/base-model"]
)
def test_only_a_record_makes_the_name_of_a_template_mean_something(name: str) -> None:
    assert is_template_name(name) and not names_no_model(name)
    absent = MentionIndex({}, [name]).resolve(name, "z/z", None)
    assert (absent.resolution, absent.evidence.looks_like) == (Resolution.ABSENT, "template")
    assert absent.confidence < 0.5
    known = MentionIndex({name: NameEvidence(1, None)}, [name], HubRenames({}, {})).resolve(name, "z/z", None)
    assert (known.resolution, known.confidence) == (Resolution.EXACT, 1.0)


@pytest.mark.parametrize("name", ["acme/river", "user/river-7b", "none-lab/none", "yourworld/model"])
def test_names_that_are_no_templates(name: str) -> None:
    assert not is_template_name(name)


@pytest.mark.parametrize("word", ["river", "secretary", "keine", "foo"])
def test_a_word_alone_is_no_evidence_however_popular(word: str) -> None:
    assert is_bare_word(word)
    models = {f"famous/{word}": NameEvidence(9_000_000, None), f"ann/{word}": NameEvidence(1, None)}
    index = MentionIndex(models, [word])
    assert index.resolve(word, "z/z", None).confidence < 0.5
    assert index.resolve(word, "ann/tuned", None).parent == f"ann/{word}"


@pytest.mark.parametrize("word", ["distilhubert", "mBart", "IceBERT", "mistral"])
def test_a_word_with_an_architecture_in_it_is_a_name(word: str) -> None:
    assert not is_bare_word(word)


def test_paths_are_no_renamed_owners() -> None:
    models = {f"acme/{name}": NameEvidence(10**6, None) for name in ("river-7b", "brook-7b", "pond-7b")}
    names = ["./river-7b", "./brook-7b", "./pond-7b"]
    index = MentionIndex(models, names)
    assert {index.resolve(name, "z/z", None).resolution for name in names} == {Resolution.ABSENT}


def test_long_texts_take_linear_time() -> None:
    began = time.process_time()
    assert names_no_model("_" * 50_000 + "x__")
    assert not names_no_model("_" * 50_000 + "x")
    assert time.process_time() - began < 5, "the third power of the length would take days"
