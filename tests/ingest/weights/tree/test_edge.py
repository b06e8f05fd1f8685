"""Edges of a chart: families by the most confident parents, candidates where the chart abstains, lines of JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import DuplicateEvidence, MergeEvidence, ResidualEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.tree.edge import (
    Edge,
    above_threshold,
    family_assignments,
    family_of,
    found_by,
    known_date,
    root_of,
    write_lines,
)
from tests.support.families import print_of, root, write

PLAIN = ResidualEvidence(containment_log_odds=1.0, distance=0.1)


def edge(child: str, parent: str, confidence: float) -> Edge:
    return Edge(child, parent, Relation.FINETUNE, confidence, PLAIN)


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> list[Fingerprint]:
    made = print_of(write(tmp_path_factory.mktemp("edge") / "m", root(1)), "a")
    return [replace(made, id=name) for name in "abcd"]


def test_the_root_is_the_end_of_the_chain() -> None:
    assert root_of("c", {"c": "b", "b": "a"}) == "a"
    assert root_of("x", {"c": "b"}) == "x"
    assert root_of("c", {"c": "b", "b": "a", "a": "c"}) == "a", "a ring ends where it closes"


def test_a_family_is_that_of_the_most_confident_parent(prints: list[Fingerprint]) -> None:
    edges = [edge("b", "a", 0.9), edge("c", "d", 0.3), edge("c", "b", 0.6)]
    assert family_of(prints, edges) == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_candidates_are_listed_where_the_chart_abstains(prints: list[Fingerprint]) -> None:
    unsure = Edge("c", "b", Relation.DUPLICATE, 0.6, DuplicateEvidence(alternatives={"d": 0.25}, output_difference=0.0))
    edges = [edge("b", "a", 0.9), unsure, edge("c", "a", 0.1)]
    assert above_threshold(edges, 0.8) == [edges[0]]
    rows = {row["model"]: row for row in family_assignments(prints, edges, 0.8)}
    assert rows["b"] == {"model": "b", "family": "a", "candidates": {}}
    assert rows["c"]["candidates"] == {"b": 0.6, "d": 0.25, "a": 0.1}


def test_a_merge_is_named_by_its_method() -> None:
    assert found_by(MergeEvidence(method="ties", weight=0.5, residual=0.0, base="a")) == "ties"
    assert found_by(PLAIN) == "residual"


@pytest.mark.parametrize(
    ("date", "expected"),
    [("2024-01-02T03:04:05.000Z", "2024-01-02T03:04:05Z"), ("", ""), ("soon", ""), ("2022-03-02T23:29:04.000Z", "")],
)
def test_the_stand_in_of_an_unknown_date_is_no_date(date: str, expected: str) -> None:
    assert known_date(date)[:10] == expected[:10]


def test_a_chart_is_written_as_lines(tmp_path: Path) -> None:
    write_lines([edge("b", "a", 0.5)], tmp_path / "edges.jsonl")
    (row,) = [json.loads(line) for line in (tmp_path / "edges.jsonl").read_text().splitlines()]
    assert (row["child"], row["parent"], row["relation"], row["confidence"]) == ("b", "a", "finetune", 0.5)
