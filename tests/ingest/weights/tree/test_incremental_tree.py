"""Tests of `ingest/weights/tree/incremental_tree.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.merge import Merge
from ingest.weights.pairwise.residual_containment import SHARE
from ingest.weights.samples.aligned_samples import sq_distances
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.parent_features import ParentFeatures
from ingest.weights.tree.scorer import load_scorer
from tests.support.changes import vectors
from tests.support.families import Weights, root, trained


def test_what_is_merged_of_a_model_comes_from_it(tmp_path: Path) -> None:
    """In the tree a merge hangs below one parent; it and its children are no parents of the other, nor of its base."""
    base = root(1)
    first, second = trained(base, 2), trained(base, 3)
    merge = {name: 0.7 * first[name] + 0.3 * second[name] for name in base}
    family = vectors(tmp_path, *((model, "F32") for model in (base, first, second, merge, trained(merge, 4))))
    made = Merge((1, 2), (0.7, 0.3), 0, "task_arithmetic", 0.0, 1.0)
    tree = IncrementalTree(family, sq_distances(family), np.zeros((5, 5)), load_scorer(True), {3: made})
    for row, above in enumerate((None, None, None, 1, 3)):
        tree.add(row, above)
    assert [tree.descendants(row) for row in range(5)] == [{3, 4}, {3, 4}, {3, 4}, {4}, set()]


def test_a_sibling_with_equal_drift_is_distinguished_from_a_child(tmp_path: Path) -> None:
    """A drift of full rank leaks into every trace: alone, a step seems carried by siblings; at once, by its child."""
    base = root(1)
    drift = {name: value - base[name] for name, value in trained(base, 5, 0.2).items()}

    def moved(start: Weights, seed: int, part: float) -> Weights:
        return trained({name: value + part * drift[name] for name, value in start.items()}, seed, 0.06)

    first, second = moved(base, 6, 1.0), moved(base, 7, 1.0)
    models = (base, first, second, moved(base, 8, 1.0), moved(first, 9, 0.5))
    family = vectors(tmp_path, *((model, "F32") for model in models))
    tree = IncrementalTree(family, sq_distances(family), np.zeros((5, 5)), load_scorer(True), {})
    for row, parent in ((0, None), (1, 0), (2, 0)):
        tree.add(row, parent)
    alone = tree.containment[1, [3, 4], SHARE]
    nothing = ParentFeatures(np.zeros((3, 5)), np.zeros((3, 11)))
    amounts = np.stack([tree.features(row, [0, 1, 2], nothing)[:, 21] for row in (3, 4)])
    assert alone[0] > 0.8, "the sibling seems to carry the step"
    assert amounts[0, 1] == pytest.approx(0.5, abs=0.15) and amounts[0, 2] == pytest.approx(0.5, abs=0.15)
    assert amounts[1, 1] > 1.1 and amounts[1, 2] < 0.4
    assert (amounts[:, 0] == 1).all(), "a root has no step"
