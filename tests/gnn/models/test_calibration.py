"""Tests of `gnn/models/calibration.py`."""

from __future__ import annotations

import numpy as np
import pytest

from gnn.models.calibration import (
    calibration_error,
    conformal_quantile,
    fit_inverse_temperature,
    fit_isotonic,
    normalised_by_group,
    threshold_at_precision,
)


def test_calibration() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(20_000)
    right = (rng.random(20_000) < score**2).astype(float)
    curve = fit_isotonic(score, right)
    assert np.abs(curve(np.array([0.2, 0.5, 0.9])) - np.array([0.04, 0.25, 0.81])).max() < 0.04
    assert calibration_error(score, right) > 0.1
    assert calibration_error(curve(score), right) < 0.01
    assert calibration_error(np.array([0.9, 0.9]), np.array([1.0, 0.0])) == pytest.approx(0.4)
    limit = threshold_at_precision(curve(score), right, 0.9)
    observed = curve(score) >= limit
    assert right[observed].mean() >= 0.9 and 0 < observed.mean() < 0.3
    assert threshold_at_precision(score[:1000] * 0.1, np.zeros(1000), 0.9) > 1
    few = np.array([0.99] * 58 + [0.4, 0.2])
    for precision, least in ((0.95, 0.5), (0.3, 0.3)):
        assert threshold_at_precision(few, (few > 0.5).astype(float), precision) == least
    truth = rng.random(5000)
    assert (truth >= conformal_quantile(truth)).mean() == pytest.approx(0.9, abs=0.001)
    assert normalised_by_group(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1]), 2).tolist() == [0.25, 0.75, 1.0]
    assert normalised_by_group(np.array([1.0, 3.0, 2.0]), np.array([0, 0, 1]), 2, 2.0) == pytest.approx([0.1, 0.9, 1.0])


def test_sharpness_undoes_a_temperature() -> None:
    rng = np.random.default_rng(1)
    chance = rng.dirichlet(np.full(4, 0.3), 4000) + 1e-6
    chance /= chance.sum(1, keepdims=True)
    drawn = (rng.random(4000)[:, None] > chance.cumsum(1)).sum(1).clip(0, 3)
    right = np.arange(4) == drawn[:, None]
    places = np.repeat(np.arange(4000), 4)
    for power in (1.0, 4.0):
        assert fit_inverse_temperature(chance.ravel() ** (1 / power), places, 4000, right.ravel()) == power
    assert fit_inverse_temperature(chance.ravel(), places, 4000, np.zeros(16000, bool)) == 1.0
