"""Tests of `ingest/weights/tree/quickscorer.py`."""

from __future__ import annotations

import json

import lightgbm
import numpy as np
import pytest

from benchmarks.zoo.fit import Placement, boosted, read_tree
from ingest.weights.tree.quickscorer import MAX_LEAVES, compile_trees
from ingest.weights.tree.scorer import PARENT_FEATURES, load_scorer
from tests.support.scorers import PACKAGED


@pytest.mark.parametrize("kind", ["weights", "fingerprint"])
def test_bit_masks_score_as_a_walk_down_each_tree(kind: str) -> None:
    fitted = json.loads(PACKAGED.read_bytes())["samples"][kind]["parent"]["trees"]

    def walked(model: np.ndarray, nodes: list[list[float]], node: int = 0) -> float:
        feature, threshold, left, right, value = (column[node] for column in nodes)
        if not left:
            return value
        return walked(model, nodes, int(left if model[int(feature)] <= threshold else right))

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, len(PARENT_FEATURES))) * 3
    features, thresholds, *_ = fitted[0]
    rows[:7, features[:7]] = thresholds[:7]  # values that equal a threshold go left
    expected = [sum(walked(model, nodes) for nodes in fitted) for model in rows]
    assert load_scorer(kind == "weights").parent_log_odds(rows) == pytest.approx(expected, abs=1e-9)


def test_trees_that_were_boosted_are_read_as_they_predict() -> None:
    """Of four possible parents the one with the largest sum of two numbers is it, but for an offset."""
    rng = np.random.default_rng(0)
    placed = []
    for _ in range(400):
        measured, against = rng.normal(size=(4, 3)), rng.normal(size=4)
        right = np.zeros(4)
        right[np.argmax(measured[:, 0] + measured[:, 2] - against)] = 1
        placed.append(Placement(measured, against, right))
    model = boosted(placed, 60)
    trees = [read_tree(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]]
    assert max(sum(not left for left in tree[2]) for tree in trees) <= MAX_LEAVES

    def walked(row: np.ndarray, tree: tuple[list[int], list[float], list[int], list[int], list[float]]) -> float:
        node = 0
        while tree[2][node]:
            node = tree[2 if row[tree[0][node]] <= tree[1][node] else 3][node]
        return tree[4][node]

    rows = np.concatenate([each.measured for each in placed[:50]])
    expected = [sum(walked(row, tree) for tree in trees) for row in rows]
    assert model.predict(rows) == pytest.approx(expected, abs=0.02)  # thresholds and values are rounded
    hits = [each.right[np.argmax(model.predict(each.measured) - each.against)] for each in placed]
    assert np.mean(hits) > 0.85


def test_a_feature_that_is_exactly_zero_goes_where_it_went_when_trees_were_fitted() -> None:
    """LightGBM cuts just below zero, at -1e-35, and just above: rounded, both cuts would be zero itself."""
    rng = np.random.default_rng(1)
    rows = rng.choice([-1.0, 0.0, 1.0], (2000, 3))
    told = (rows[:, 0] == 0) ^ (rows[:, 1] > 0)
    model = lightgbm.train(
        {"objective": "binary", "num_leaves": 8, "verbose": -1}, lightgbm.Dataset(rows, told.astype(float)), 30
    )
    trees = [read_tree(tree["tree_structure"]) for tree in model.dump_model()["tree_info"]]
    assert any(0 < abs(threshold) < 1e-30 for tree in trees for threshold in tree[1])
    assert compile_trees(trees).score(rows) == pytest.approx(model.predict(rows, raw_score=True), abs=1e-3)
