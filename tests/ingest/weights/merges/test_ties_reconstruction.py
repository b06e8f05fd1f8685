"""TIES from base and parents: trimming, election and scale against a plain computation, and a merge found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.ties_reconstruction import elect_and_merge, reconstruct_ties, trim, try_subsets
from ingest.weights.samples.aligned_samples import sq_distances
from tests.support.changes import ties, vectors
from tests.support.families import root, trained


def test_the_largest_elements_of_each_tensor_are_kept() -> None:
    deltas = np.array([[1.0, -5, 2, 3, 100, -200, 300, 50]], np.float32)
    kept = trim(deltas, np.array([0, 4]), 0.5)
    assert kept.tolist() == [[0, -5, 0, 3, 0, -200, 300, 0]]
    assert trim(deltas, np.array([0]), 1.0).tolist() == deltas.tolist()


def test_elements_with_the_sign_of_the_sum_are_averaged() -> None:
    trimmed = np.array([[2.0, -1, 0, 4, 1], [4.0, 3, 0, 0, -1], [0.0, -1, 0, -1, 0]], np.float32)
    assert elect_and_merge(trimmed).tolist() == [3.0, 3.0, 0.0, 4.0, 0.0]


def test_election_agrees_with_a_merge_that_was_made_another_way() -> None:
    rng = np.random.default_rng(0)
    base, models = rng.normal(size=(20, 50)), rng.normal(size=(3, 20, 50))
    trimmed = trim((models - base).reshape(3, -1).astype(np.float32), np.array([0]), 0.4)
    expected = ties(base.astype(np.float32), list(models.astype(np.float32)), 0.4)
    assert (base.reshape(-1) + elect_and_merge(trimmed)).reshape(20, 50) == pytest.approx(expected, abs=1e-5)


def test_pairs_and_triples_are_tried(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    base, parents = rng.normal(size=(1, 1, 320)), rng.normal(size=(4, 1, 320))
    deltas = trim((parents - base).reshape(4, -1).astype(np.float32), np.array([0]), 0.5)
    child = base + 0.8 * elect_and_merge(deltas[[0, 1, 3]]).reshape(1, 1, 320)
    values = np.concatenate((base, child, parents)).reshape(6, 10, 32).astype(np.float32)
    best = try_subsets(values, np.array([0]), 7, [1, 2, 3, 4])[0]
    assert (best.base, best.parents) == (7, (1, 2, 4))
    assert best.scale == pytest.approx(0.8, abs=0.05)


def test_base_parents_and_scale_are_found_again(tmp_path: Path) -> None:
    base = root(1)
    models = [base, *(trained(base, seed) for seed in (2, 3, 4))]
    made = {
        name: value + 0.9 * (ties(value, [models[1][name], models[3][name]], 0.4) - value)
        for name, value in base.items()
    }
    family = vectors(tmp_path, *((model, "F32") for model in (*models, made)))
    found, values = min(reconstruct_ties(family, 4, range(4), sq_distances(family)), key=lambda each: each[0].residual)
    assert (found.method, found.base, set(found.parents)) == ("ties", 0, {1, 3})
    assert found.weights == pytest.approx((0.9, 0.9), abs=0.02)
    assert found.residual < 0.2
    assert values == pytest.approx(family.values[4], abs=0.02)
