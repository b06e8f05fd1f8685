"""Tests of `ingest/weights/adapters/contained_steps.py`."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.weights.adapters.contained_steps import CopiedValues, line_to, step_log_likelihoods

PARENTS: list[int | None] = [None, 0, 1, 0, None]
"""A line of three models, a child of the root, and a second root."""


def family(rng: np.random.Generator, size: float) -> list[np.ndarray]:
    made = [rng.normal(size=1000)]
    for parent in PARENTS[1:]:
        made.append(made[parent or 0] + size * rng.normal(size=1000))
    return made


def likelihoods(values: np.ndarray, models: list[np.ndarray], unit: float = 1.0) -> np.ndarray:
    copied = CopiedValues(len(models))
    for part in range(2):
        half = slice(part * 500, part * 500 + 500)
        copied.add(unit**part * values[half], [unit**part * each[half] for each in models])
    return step_log_likelihoods(copied, PARENTS[: len(models)])


@pytest.mark.parametrize("base", range(5))
@pytest.mark.parametrize("drift", [0.02, 0.1])
def test_values_that_drifted_by_chance_name_their_model(base: int, drift: float) -> None:
    rng = np.random.default_rng(base)
    models = family(rng, 0.1)
    found = likelihoods(models[base] + drift * rng.normal(size=1000), models)
    assert int(np.argmax(found)) == base and found.max() == 0
    assert np.sort(found)[-2] < -1


def test_drift_along_a_childs_step_leaves_the_base_possible() -> None:
    """A child that was trained on the same data is nearer than the base, and its step is short beside the drift."""
    rng = np.random.default_rng(7)
    models = family(rng, 0.1)
    drift = 0.3 * rng.normal(size=1000)
    models[3] = models[0] + 0.25 * drift + 0.02 * rng.normal(size=1000)
    values = models[0] + drift
    distances = [float(np.square(values - each).sum()) for each in models]
    assert int(np.argmin(distances)) == 3
    found = likelihoods(values, models)
    assert found[0] > -2 and found[[1, 2, 4]].max() < found[0]


def test_the_unit_of_a_tensor_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    models = family(rng, 0.1)
    values = models[2] + 0.1 * rng.normal(size=1000)
    np.testing.assert_allclose(likelihoods(values, models, 1000.0), likelihoods(values, models), atol=1e-6)


def test_nothing_to_compare_leaves_all_models_equal() -> None:
    assert step_log_likelihoods(CopiedValues(3), [None, 0, 0]).tolist() == [0, 0, 0]
    one = CopiedValues(1)
    one.add(np.ones(5), [np.zeros(5)])
    assert step_log_likelihoods(one, [None]).tolist() == [0]
    same = CopiedValues(2)
    same.add(np.ones(5), [np.ones(5), np.ones(5)])
    assert step_log_likelihoods(same, [None, 0]).tolist() == [0, 0]


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_counts_for_nothing(broken: float) -> None:
    rng = np.random.default_rng(10)
    models = family(rng, 0.1)
    copied = CopiedValues(5)
    copied.add(models[2] + 0.1 * rng.normal(size=1000), models)
    before = step_log_likelihoods(copied, PARENTS)
    copied.add(np.full(1000, broken), models)
    np.testing.assert_array_equal(step_log_likelihoods(copied, PARENTS), before)


def test_equal_models_are_equally_likely_and_an_exact_copy_is_likely() -> None:
    rng = np.random.default_rng(9)
    models = family(rng, 0.1)
    models[3] = models[0].copy()
    found = likelihoods(models[0], models)
    assert found[0] == pytest.approx(found[3]) and found[[1, 2, 4]].max() < -3


def test_a_line_ends_at_the_root_and_in_a_ring() -> None:
    assert line_to([None, 0, 1], 2) == [(1, 2), (0, 1)]
    assert len(line_to([1, 0], 0)) == 2
    assert line_to([0, 0, 1], 2, 0) == [(1, 2), (0, 1)]
