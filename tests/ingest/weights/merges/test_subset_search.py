"""Tests of `ingest/weights/merges/subset_search.py`."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from ingest.weights.merges.subset_search import best_pairs, extend_subsets, joint_residual, search_subsets


def test_sets_of_models_are_those_that_solving_each_gives() -> None:
    """The search of merges grows sets by Schur complements: the same as solving every set, one by one."""
    rng = np.random.default_rng(5)
    points = rng.normal(size=(9, 40)) + 0.5
    gram = points @ points.T / 40
    sets, left = best_pairs(gram)
    for size in (2, 3, 4):
        if size > 2:
            sets, left = extend_subsets(gram, sets)
        everything = {}
        for rows in combinations(range(9), size):
            total = np.linalg.solve(gram[np.ix_(rows, rows)], np.ones(size)).sum()
            everything[rows] = 1 / total
        found = dict(zip(map(tuple, sets.tolist()), left.tolist(), strict=True))
        assert all(value == pytest.approx(everything[rows], rel=1e-6) for rows, value in found.items())
        best = sorted(everything, key=everything.__getitem__)[:5]
        assert set(best) <= set(found)
    least = 1 / np.linalg.solve(gram, np.ones(9)).sum()
    assert joint_residual(gram) == pytest.approx(least, rel=0.02) and least < min(everything.values())


def test_sets_of_models_are_not_looked_for_where_all_together_leave_too_much() -> None:
    points = np.random.default_rng(6).normal(size=(6, 40))
    points[5] = 0.5 * (points[1] + points[2])
    inner = points @ points.T / 40
    assert min(left for _, left in search_subsets(inner, 5, range(5), max_residual=0.01)) < 1e-9
    assert not search_subsets(inner, 0, range(1, 6), max_residual=0.01) and search_subsets(inner, 0, range(1, 6))
