"""Tests of `gnn/dataset/neighbourhood.py`."""

from __future__ import annotations

from gnn.features.candidate_table import CandidateTableBuilder
from tests.support.memory_graph import neighbourhood_of


def test_what_is_derived_is_built_once() -> None:
    neighbourhood = neighbourhood_of("license")
    assert neighbourhood.derived(CandidateTableBuilder) is neighbourhood.derived(CandidateTableBuilder)
