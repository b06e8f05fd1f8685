"""Evidence of claims: what is written is read, and nothing else passes for it."""

from __future__ import annotations

import json

import pytest

from atlas_db.core.errors import EvidenceError, StoreError
from atlas_db.fusion import evidence as module
from atlas_db.fusion.evidence import (
    CommonOriginEvidence,
    DepthPrunedEvidence,
    DuplicateEvidence,
    Evidence,
    GroupCount,
    MentionEvidence,
    MergeEvidence,
    OtherComponentsEvidence,
    PrunedEvidence,
    RankingEvidence,
    ResidualEvidence,
    SharedPartEvidence,
    decode_evidence,
    encode_evidence,
    evidence_fields,
)

WRITTEN = [
    DuplicateEvidence(alternatives={"a/b": 0.25}, output_difference=0.001),
    MergeEvidence(method="ties", weight=0.5, residual=0.01, base="a/base"),
    PrunedEvidence(explained=0.99, zeros=0.5),
    DepthPrunedEvidence(explained=1.0, kept=0.75),
    OtherComponentsEvidence(components=["vae"]),
    SharedPartEvidence(exact=True, shared=0.5),
    CommonOriginEvidence(siblings=["a/x", "a/y"]),
    ResidualEvidence(containment_log_odds=1.5, distance=0.1),
    MentionEvidence(name_confidence=0.9, same_owner=False),
    RankingEvidence(groups={"author": GroupCount(3, 4)}, no_declaration_probability=0.2),
]


@pytest.mark.parametrize("written", WRITTEN, ids=lambda each: type(each).__name__)
def test_what_is_written_is_read(written: Evidence) -> None:
    assert decode_evidence(encode_evidence(written)) == written


def test_every_kind_has_a_tag_of_its_own_and_is_in_the_union() -> None:
    kinds = {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Evidence)} - {
        Evidence
    }
    tags = [kind.__struct_config__.tag for kind in kinds]
    assert len(set(tags)) == len(tags)
    assert kinds == set(module.AnyEvidence.__args__)


def test_keys_are_sorted_and_defaults_are_left_out() -> None:
    text = encode_evidence(MergeEvidence(method="linear", weight=0.5, residual=0.0))
    assert list(json.loads(text)) == sorted(json.loads(text)) == ["method", "residual", "test", "weight"]


def test_fields_to_show_are_read_from_older_versions_too() -> None:
    assert evidence_fields('{"test": "trace", "residual": 0.5}') == {"test": "trace", "residual": 0.5}
    assert evidence_fields(None) is None and evidence_fields("") is None
    with pytest.raises(EvidenceError, match="cannot be read"):
        evidence_fields("[1]")


@pytest.mark.parametrize("text", ['{"base": "p"}', '{"test": "trace"}', '{"test": "merge", "weight": "much"}', "{", ""])
def test_what_is_no_evidence_is_refused_by_name(text: str) -> None:
    with pytest.raises(EvidenceError, match="cannot be read") as error:
        decode_evidence(text)
    assert isinstance(error.value, StoreError)
    assert error.value.hint
