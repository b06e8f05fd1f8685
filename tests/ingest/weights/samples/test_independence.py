"""Tests of `ingest/weights/samples/independence.py`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from ingest.weights.samples.independence import cosine_of

TENSOR = np.repeat([0, 1, 2], 12)


def sample(rng: np.random.Generator) -> np.ndarray:
    """Rows of three tensors; those of the last, the largest, share a direction."""
    values = rng.normal(size=(36, 32))
    values[24:] = 8 * (values[24:] + 3 * np.outer(rng.uniform(0.5, 1.5, 12), rng.normal(size=32)))
    return values


def test_rates_of_independent_models_are_uniform() -> None:
    rng = np.random.default_rng(1)
    rates = [cosine_of(sample(rng), sample(rng), TENSOR).false_alarm_rate for _ in range(1500)]  # type: ignore[union-attr]
    assert kstest(rates, "uniform").pvalue > 0.01


def test_a_cosine_is_the_mean_of_the_tensors() -> None:
    rng = np.random.default_rng(2)
    ours = sample(rng)
    theirs = ours.copy()
    theirs[12:24] *= -2
    found = cosine_of(ours, theirs, TENSOR)
    assert found is not None
    assert found.cosine == pytest.approx(1 / 3)
    same = cosine_of(ours, 3 * ours, TENSOR)
    assert same is not None
    assert (same.cosine, same.false_alarm_rate < 1e-9) == (pytest.approx(1), True)


def test_what_is_zero_is_not_compared() -> None:
    assert cosine_of(np.zeros((36, 32)), sample(np.random.default_rng(3)), TENSOR) is None
    assert cosine_of(np.empty((0, 32)), np.empty((0, 32)), np.empty(0, np.int64)) is None
