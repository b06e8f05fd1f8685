"""Smoothing over older neighbours, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS
from gnn.models.bag_of_words import BagOfWordsClassifier
from gnn.models.correct_and_smooth import LabelSmoothing
from gnn.parameters.candidate_parameters import CANDIDATE


@pytest.mark.train
def test_the_mean_of_neighbours_is_that_of_a_plain_loop_and_looks_at_nobody_younger(graph: Graph) -> None:
    neighbourhood = Neighbourhood(graph, TASKS["license"], TokenTable(graph), np.ones(len(graph), bool))
    classifier = BagOfWordsClassifier.fit(neighbourhood, np.ones(len(neighbourhood.events.rows), bool), 1)
    query = CompletionQuery(np.arange(len(graph)), graph.created, np.arange(len(graph)) % 2 == 0)
    smoothing = LabelSmoothing(neighbourhood, classifier)
    models = np.arange(0, len(graph), 7)
    values = np.arange(len(models)) % len(neighbourhood.column.categories)
    found = smoothing.mean_neighbour_probability(query, models, values)
    with_metadata = CompletionQuery(query.rows, query.cutoffs, np.ones(len(graph), bool))
    probability = np.exp(classifier.predict_log_proba(neighbourhood, with_metadata))
    for column, name in enumerate(CANDIDATE.smoothed_groups):
        members, group_of = neighbourhood.groupings[name].member_key, neighbourhood.group_of(name, query)
        for at, (row, value) in enumerate(zip(models, values, strict=True)):
            older = np.flatnonzero((members == group_of[row]) & (graph.created < graph.created[row]))
            older = older[np.argsort(graph.created[older], kind="stable")][-CANDIDATE.recent_events :]
            if group_of[row] < 0 or not len(older):
                assert np.isnan(found[at, column])
            else:
                assert found[at, column] == pytest.approx(probability[older, value].mean(), abs=2e-3)


@pytest.mark.train
def test_scores_of_the_models_themselves_are_the_classifiers(graph: Graph) -> None:
    neighbourhood = Neighbourhood(graph, TASKS["license"], TokenTable(graph), np.ones(len(graph), bool))
    classifier = BagOfWordsClassifier.fit(neighbourhood, np.ones(len(neighbourhood.events.rows), bool), 1)
    query = CompletionQuery(np.arange(5), graph.created[:5], np.ones(5, bool))
    scores = LabelSmoothing(neighbourhood, classifier).class_scores(query)
    np.testing.assert_array_equal(scores.log_probabilities, classifier.predict_log_proba(neighbourhood, query))
    names = [neighbourhood.column.categories[value] for value in np.flatnonzero(scores.class_of_value >= 0)]
    assert names == sorted(classifier.values)
