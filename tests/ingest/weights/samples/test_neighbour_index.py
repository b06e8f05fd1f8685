"""Tests of `ingest/weights/samples/neighbour_index.py`."""

from __future__ import annotations

import numpy as np
import pytest

from atlas_db.core.arrays import Floats
from benchmarks.scaling import one_family
from ingest.weights.parameters.region_parameters import REGION
from ingest.weights.samples.neighbour_index import nearest_neighbours


def elements(count: int, seed: int = 0) -> tuple[Floats, list[int]]:
    prints, parents = one_family(count, seed)
    return np.stack([item.sample.values.reshape(-1) for item in prints]), parents


def exact(flat: Floats, row: int, count: int) -> list[int]:
    distance = np.square(flat.astype(np.float64) - flat[row]).sum(1)
    distance[row] = np.inf
    return np.argsort(distance, kind="stable")[:count].tolist()


def test_a_small_family_is_compared_in_full() -> None:
    flat, _ = elements(60)
    found = nearest_neighbours(flat, 5)
    assert found.compared == 60 * 60
    assert [row.tolist() for row in found.rows] == [exact(flat, row, 5) for row in range(60)]
    assert found.sq_distance[7, 0] == pytest.approx(float(np.square(flat[7] - flat[found.rows[7, 0]]).sum()), rel=1e-3)


def test_one_model_has_no_neighbour_and_two_have_each_other() -> None:
    flat, _ = elements(2)
    assert nearest_neighbours(flat[:1], 5).rows.shape == (1, 0)
    assert nearest_neighbours(flat, 5).rows.tolist() == [[1], [0]]


@pytest.mark.slow
def test_the_index_finds_parents_that_the_exact_search_finds_with_pairs_that_grow_by_the_root() -> None:
    flat, parents = elements(2500)
    found = nearest_neighbours(flat, REGION.neighbours)
    rows = range(1, 2500, 25)
    exactly = [row for row in rows if parents[row] in exact(flat, row, REGION.neighbours)]
    assert np.mean([parents[row] in found.rows[row] for row in exactly]) > 0.97
    assert np.mean([found.rows[row, 0] == exact(flat, row, 1)[0] for row in rows]) > 0.95
    cells = REGION.cells_of_a_model
    assert found.compared < 2500 * (2 * cells**2 * 50 + REGION.max_hubs + 50)
