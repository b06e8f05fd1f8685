"""Tests of `gnn/models/bag_of_words.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS
from gnn.models.bag_of_words import BagOfWordsClassifier
from tests.support.hubs import LICENSES


@pytest.mark.train
def test_probabilities_are_calibrated_and_read_back(graph: Graph, tmp_path: Path) -> None:
    """Probabilities add up to one, name most licences, and are the same after a save."""
    around = Neighbourhood(graph, TASKS["license"], TokenTable(graph), np.ones(len(graph), bool))
    linear = BagOfWordsClassifier.fit(around, np.ones(len(around.events.rows), bool), 1)
    assert linear.values == sorted(LICENSES)
    query = CompletionQuery(np.arange(len(graph)), graph.created, np.arange(len(graph)) % 2 == 0)
    scores = linear.predict_log_proba(around, query)
    assert np.exp(scores).sum(1) == pytest.approx(np.ones(len(graph)), abs=1e-4)
    held = around.column.codes.first
    assert (np.exp(scores).argmax(1) == held)[held >= 0].mean() > 0.8
    linear.save(tmp_path / "bag_of_words.safetensors")
    again = BagOfWordsClassifier.load(tmp_path / "bag_of_words.safetensors", linear.values)
    assert again.predict_log_proba(around, query) == pytest.approx(scores)
