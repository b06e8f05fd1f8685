"""Evidence in sentences: every kind has some, each is short, each number and name of the evidence is in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from atlas_db.claims import relations
from atlas_db.fusion.evidence import AnyEvidence, Evidence, GroupCount, MentionEvidence, QuantizedEvidence
from atlas_db.fusion.evidence_text import (
    MAX_WORDS,
    TERMS,
    evidence_sentences,
    names_text,
    rate_text,
    share_text,
    terms_in,
)

KINDS = get_args(AnyEvidence)
VALUES = {
    float: 0.4375, int: 3, str: "some-text", bool: True, list[str]: ["x/one", "x/two"],
    dict[str, float]: {"x/other": 0.25}, dict[str, GroupCount]: {"author": GroupCount(7, 11)},
}  # fmt: skip
UNSAID = {"name_confidence": 1.0, "relation_confidence": 1.0}


def full(kind: type[Evidence]) -> Evidence:
    """Evidence of a kind with a value in every field."""
    values = {}
    for field in msgspec.structs.fields(kind):
        kind_of = field.type if field.type in VALUES else get_args(field.type)[0]
        values[field.name] = VALUES[kind_of]
    return kind(**values)


def bare(kind: type[Evidence]) -> Evidence:
    """Evidence of a kind with what it must have."""
    needed = [field for field in msgspec.structs.fields(kind) if field.required]
    return kind(**{field.name: VALUES[field.type] for field in needed})


@pytest.mark.parametrize("made", [full, bare])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_is_said_in_short_sentences(kind: type[Evidence], made: object) -> None:
    sentences = evidence_sentences(made(kind), "a/child", "b/parent")  # type: ignore[operator]
    assert sentences
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z0-9ab].*\.", sentence), sentence
        assert len(sentence.split()) <= MAX_WORDS, sentence
        assert "None" not in sentence and "_" not in sentence, sentence
    assert "a/child" in " ".join(sentences) or "b/parent" in " ".join(sentences)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_changes_what_is_said(kind: type[Evidence]) -> None:
    everything = evidence_sentences(full(kind), "a/child", "b/parent")
    for field in msgspec.structs.fields(kind):
        if field.required:
            other = {float: 0.8125, str: "other-text", list[str]: ["x/three"], bool: False}[field.type]
        else:
            other = field.default
            if other is msgspec.NODEFAULT:
                other = field.default_factory()
        changed = msgspec.structs.replace(full(kind), **{field.name: other})
        assert evidence_sentences(changed, "a/child", "b/parent") != everything, field.name


def test_terms_are_defined_in_one_short_sentence_each() -> None:
    for term, meaning in TERMS.items():
        assert len(meaning.split()) <= MAX_WORDS, term
        assert re.fullmatch(r"[A-Z].*\.", meaning), term
    said = evidence_sentences(QuantizedEvidence(explained=0.99, grid="Q4_0"), "a", "b")
    assert "quantization grid" in terms_in(said)
    assert "merge" not in terms_in(said)


def test_different_owners_are_said() -> None:
    assert "Both models have different owners." in evidence_sentences(MentionEvidence(same_owner=False), "a", "b")


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100 %"), (0.99995, "more than 99.9 %"), (0.5, "50.0 %"), (0.0004, "less than 0.1 %"), (0.0, "0.0 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert share_text(share) == text


def test_rates_and_lists() -> None:
    assert rate_text(0.0) == rate_text(1e-300) == "below 1e-12"
    assert rate_text(0.00123) == "0.0012"
    assert names_text(["a"]) == "a"
    assert names_text(["a", "b", "c"]) == "a, b and c"
    assert names_text(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_every_source_of_a_relation_has_words() -> None:
    module = Path(relations.__file__).read_text(encoding="utf-8")
    sources = set(re.findall(r'RELATION\.[^"\n]*, "([^"]+)"', module)) | {"typed", "word", "gguf"}
    assert {"tags+name", "default", "library", "parents"} <= sources
    for source in sorted(sources):
        sentence = evidence_sentences(MentionEvidence(relation_source=source), "a/child", "b/parent")[1]
        assert f"from {source}." not in sentence, sentence
