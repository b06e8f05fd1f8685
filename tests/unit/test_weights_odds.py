"""Fitted trees are read by looking up, and runs of flags are counted by words: both against the plain way."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from ingest.weights.samples.aligned_samples import counted
from ingest.weights.tree.scorer import load_odds


@pytest.mark.parametrize("kind", ["weights", "fingerprint"])
def test_trees_say_what_a_walk_down_each_says(kind: str) -> None:
    fitted = json.loads((files("ingest.weights.tree") / "data" / "odds.json").read_bytes())[kind]["trees"]

    def walked(model: np.ndarray, nodes: list[list[float]], node: int = 0) -> float:
        feature, threshold, left, right, value = (column[node] for column in nodes)
        if not left:
            return value
        return walked(model, nodes, int(left if model[int(feature)] <= threshold else right))

    rng = np.random.default_rng(0)
    most = max(max(nodes[0]) for nodes in fitted)
    measured = rng.normal(size=(200, most + 1)) * 3
    features, thresholds, *_ = fitted[0]
    measured[:7, features[:7]] = thresholds[:7]  # values that equal a threshold go left
    expected = [sum(walked(model, nodes) for nodes in fitted) for model in measured]
    assert load_odds(kind == "weights").parent(measured) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(1, 32), (7, 3, 32), (2, 3, 4, 32), (0, 32)])
def test_flags_are_counted_as_numpy_counts_them(shape: tuple[int, ...]) -> None:
    for share in (0.0, 0.5, 1.0):
        flags = np.random.default_rng(1).random(shape) < share
        assert np.array_equal(counted(flags), flags.sum(-1))
