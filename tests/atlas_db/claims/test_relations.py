"""Tests of `atlas_db/claims/relations.py`."""

from __future__ import annotations

import pytest

from atlas_db.claims.relations import guess_relation
from atlas_db.core.terms import Relation


@pytest.mark.parametrize(
    ("name", "tags", "library", "parents", "relation"),
    [
        ("Mistral-7B-GGUF", ["gguf"], None, 1, Relation.QUANTIZED),
        ("Llama-3-8B-exl2-4.0bpw", [], None, 1, Relation.QUANTIZED),
        ("merged-GGUF", ["merge", "mergekit", "gguf"], None, 1, Relation.QUANTIZED),
        ("tuned", [], "peft", 1, Relation.ADAPTER),
        ("sdxl-lora-cat", [], "diffusers", 1, Relation.ADAPTER),
        ("sdxl-cat", ["lora", "diffusers"], "diffusers", 1, Relation.ADAPTER),
        ("Marcoro14", ["merge", "mergekit"], "transformers", 2, Relation.MERGE),
        ("two-parents", [], "transformers", 2, Relation.MERGE),
        ("tuned", [], "transformers", 1, Relation.FINETUNE),
        ("explorations", ["en"], None, 1, Relation.FINETUNE),
    ],
)
def test_relations_are_guessed_below_certainty(
    name: str, tags: list[str], library: str | None, parents: int, relation: Relation
) -> None:
    found, confidence, by = guess_relation(name, tags, library, parents)
    assert found is relation
    assert 0.5 < confidence < 1.0
    assert by
