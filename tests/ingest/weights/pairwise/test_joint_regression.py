"""All steps of a tree at once: amounts that leak into each other are separated by one system of equations."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.weights.pairwise.joint_regression import joint_containment
from ingest.weights.pairwise.residual_containment import UNWEIGHTED_LOG_ERROR, UNWEIGHTED_SHARE

COLUMNS = max(UNWEIGHTED_SHARE, UNWEIGHTED_LOG_ERROR) + 1


def held(amounts: dict[int, float], models: int, leak: float, error: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    """Return what models hold of steps from row 0, where each step leaks into the others, and the base of each step.

    Row `models` carries the given amounts.
    """
    found = np.zeros((models + 1, models + 1, COLUMNS))
    share = found[..., UNWEIGHTED_SHARE]
    share[1:models, 1:models] = leak
    share[np.arange(1, models), np.arange(1, models)] = 1.0
    share[1:models, models] = sum(amount * share[1:models, step] for step, amount in amounts.items())
    found[..., UNWEIGHTED_LOG_ERROR] = np.log(error)
    return found, np.zeros(models + 1, np.int64)


def test_a_step_that_leaks_into_others_is_separated() -> None:
    table, bases = held({1: 1.0, 3: 0.5}, 6, leak=0.4)
    assert table[2, 6, UNWEIGHTED_SHARE] > 0.5, "alone, it seems to be carried"
    amounts, confidence = joint_containment(table, bases, np.arange(1, 6), 6, 0)
    assert amounts == pytest.approx([0, 1, 0, 0.5, 0, 0, 0], abs=0.05)
    assert confidence == pytest.approx([0, 1, 1, 1, 1, 1, 0], abs=1e-3)


def test_without_leaks_each_amount_is_that_alone() -> None:
    table, bases = held({2: 0.3}, 4, leak=0.0)
    amounts, _ = joint_containment(table, bases, np.array([1, 2, 3]), 4, 0)
    assert amounts[[1, 2, 3]] == pytest.approx([0, 0.3, 0], abs=0.02)


def test_an_uncertain_step_counts_less() -> None:
    precise = joint_containment(*held({1: 1.0}, 4, leak=0.2, error=0.01), np.array([1, 2, 3]), 4, 0)
    rough = joint_containment(*held({1: 1.0}, 4, leak=0.2, error=2.0), np.array([1, 2, 3]), 4, 0)
    assert rough[1][1] < 0.1 < 0.9 < precise[1][1]
    assert rough[0][1] < precise[0][1]


def test_of_many_steps_those_carried_most_are_solved_for() -> None:
    table, bases = held({1: 1.0, 90: 1.0}, 100, leak=0.01)
    amounts, confidence = joint_containment(table, bases, np.arange(1, 100), 100, 0)
    assert amounts[[1, 90]] == pytest.approx([1, 1], abs=0.1)
    assert 2 <= np.count_nonzero(confidence) < 99
