"""Tests of `gnn/candidates/generate.py`."""

from __future__ import annotations

import numpy as np

from gnn.candidates.generate import CandidateGenerator
from gnn.features.candidate_table import ClassScores
from tests.support.memory_graph import latest_query, neighbourhood_of


def test_likely_values_are_those_of_the_highest_scores() -> None:
    scores = ClassScores(np.array([[0.1, 0.9, 0.5]], np.float32), np.array([2, -1, 0, 1]))
    assert sorted(scores.top_values(2)[0].tolist()) == [0, 3]
    assert sorted(scores.top_values(9)[0].tolist()) == [0, 2, 3]


def test_candidates_are_unique_and_values_of_groups_were_declared_before() -> None:
    neighbourhood = neighbourhood_of("license")
    query = latest_query(neighbourhood)
    found = CandidateGenerator(neighbourhood).generate(query, np.zeros((len(query), 0), np.int64), None)
    pairs = list(zip(found.query_index.tolist(), found.values.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert set(found.query_index.tolist()) == set(range(len(query)))


def test_candidate_parents_are_older_and_inferred_ones_are_among_them() -> None:
    neighbourhood = neighbourhood_of("base_model")
    graph, query = neighbourhood.graph, latest_query(neighbourhood)
    generator = CandidateGenerator(neighbourhood)
    found = generator.generate(query, np.zeros((len(query), 0), np.int64), generator.name_votes(query))
    children = query.rows[found.query_index]
    assert (graph.created[found.values] <= graph.created[children]).all() and (found.values != children).all()
    pairs = set(zip(children.tolist(), found.values.tolist(), strict=True))
    inferred = generator.inferred_parents
    expected = {(row, parent) for row in query.rows.tolist() for parent in inferred.row(row).tolist()}
    assert expected and expected <= pairs
