"""Tests of `gnn/models/ranker.py`."""

from __future__ import annotations

import numpy as np

from gnn.models.ranker import Ranker
from gnn.parameters.model_parameters import MODEL


def test_lists_are_scored_in_steps_as_by_all_trees_at_once() -> None:
    rng = np.random.default_rng(0)
    models, each = 200, 40
    places = np.repeat(np.arange(models), each)
    features = rng.normal(size=(len(places), 8)).astype(np.float32)
    truth = np.zeros(len(places), bool)
    truth[np.arange(models) * each + rng.integers(0, each, models)] = True
    features[truth, 0] += 1.5
    ranker = Ranker.fit(
        [features[:3000], features[3000:]], truth, places, 1, listwise=True, has_network=False, with_stacked=False
    )
    found = np.log(ranker.score(features, places)).reshape(models, each)
    whole = np.log(ranker.tabular_score(features)).reshape(models, each)
    scored = np.isclose(found, whole)
    assert (scored.sum(1) == MODEL.ranker.cascade[-1][1]).all() and len(ranker.score(features[:0], places[:0])) == 0
    assert (found.argmax(1) == whole.argmax(1)).mean() > 0.98
    assert (np.where(scored, found, np.inf).min(1) > np.where(scored, -np.inf, found).max(1)).all()
