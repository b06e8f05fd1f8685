"""Linear merges: weights of an affine fit are read back exactly, and differ from those of no merge."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.linear import affine_least_squares, classify_weights, robust_chi2
from tests.support.changes import vectors
from tests.support.families import root, trained


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((0.7, 0.3), ("linear", (0, 1), (0.7, 0.3), None)),
        ((0.2, 0.5, 0.3), ("linear", (1, 2, 0), (0.5, 0.3, 0.2), None)),
        ((-0.6, 0.8, 0.8), ("task_arithmetic", (1, 2), (0.8, 0.8), 0)),
        ((0.4, 0.4, 0.2), ("task_arithmetic", (0, 1), (0.4, 0.4), 2)),
        ((1 / 3, 1 / 3, 1 / 3), ("linear", (0, 1, 2), (1 / 3,) * 3, None)),
        ((1.0, 0.0), None),
        ((1.4, -0.4), None),
        ((0.9, 0.6, -0.5), ("task_arithmetic", (0, 1), (0.9, 0.6), 2)),
        ((0.99, 0.6, -0.59), None),
    ],
)
def test_weights_name_the_method(weights: tuple[float, ...], expected: tuple[object, ...] | None) -> None:
    found = classify_weights(range(len(weights)), np.array(weights), 0.0)
    assert (found and (found.method, found.parents, pytest.approx(found.weights), found.base)) == expected


def test_weights_of_an_affine_combination_are_read_back(tmp_path: Path) -> None:
    base = root(1)
    models = [base, *(trained(base, seed) for seed in (2, 3))]
    made = {name: 0.5 * value + 0.2 * models[1][name] + 0.3 * models[2][name] for name, value in base.items()}
    family = vectors(tmp_path, *((model, "F32") for model in (*models, made)))
    noise = np.full(family.values.shape[1:], 1e-12, np.float32)
    weights, residual = affine_least_squares(family, 3, (0, 1, 2), noise)
    assert weights == pytest.approx([0.5, 0.2, 0.3], abs=1e-4)
    assert weights.sum() == pytest.approx(1)
    assert np.abs(residual).max() < 1e-6


def test_the_mean_square_is_estimated_whatever_a_few_outliers_are() -> None:
    scaled = np.random.default_rng(0).normal(scale=3, size=20_000)
    assert robust_chi2(scaled) == pytest.approx(9, rel=0.05)
    scaled[:100] = 1e9
    assert robust_chi2(scaled) == pytest.approx(9, rel=0.05)
