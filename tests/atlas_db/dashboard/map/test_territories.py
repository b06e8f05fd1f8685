"""Tests of `atlas_db/dashboard/map/territories.py`."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_db.core.arrays import Flags
from atlas_db.dashboard.map.territories import (
    MAX_ISLAND_SHARE,
    MAX_LOAD,
    capacity,
    hilbert_curve,
    name_keys,
    place_groups,
    place_members,
    smallest_field,
)


@pytest.mark.parametrize("side", [1, 2, 8, 64])
def test_the_curve_visits_every_cell_once_in_single_steps(side: int) -> None:
    cells = hilbert_curve(side)
    assert len({tuple(cell) for cell in cells.tolist()}) == side**2 == len(cells)
    assert cells.min() == 0 and cells.max() == side - 1
    assert (np.abs(np.diff(cells, axis=0)).sum(axis=1) == 1).all()


def test_places_of_earlier_maps_stay() -> None:
    cells = hilbert_curve(256).astype("<i8").tobytes()
    assert sha256(cells).hexdigest() == "c10b9c3fa43d31f4ba72b657828205f68b3b202234cfdd00eca875dc0f4b6516"


@pytest.mark.parametrize("side", [4, 16, 64])
def test_an_aligned_block_of_the_curve_is_a_square_or_two(side: int) -> None:
    curve = hilbert_curve(side)
    for power in range(2 * int(np.log2(side)) + 1):
        blocks = curve.reshape(-1, 1 << power, 2)
        extent = blocks.max(axis=1) - blocks.min(axis=1) + 1
        assert (extent.prod(axis=1) == 1 << power).all()
        assert (extent.max(axis=1) <= 2 * extent.min(axis=1)).all()


@given(st.lists(st.integers(1, 3000), max_size=120), st.booleans(), st.integers(0, 2**32))
@settings(max_examples=40)
def test_every_member_has_a_cell_of_its_own_in_the_room_of_its_group(sizes: list[int], high: bool, seed: int) -> None:
    groups = np.array(sizes, np.int64)
    rooms = capacity(groups)
    assert (groups <= MAX_ISLAND_SHARE * rooms + 1).all()
    field = smallest_field(rooms, high=high)
    assert rooms.sum() <= MAX_LOAD * field.cells
    assert (field.height >= field.width) if high else (field.width >= field.height)
    rng = np.random.default_rng(seed)
    heads = name_keys([f"org/{rng.integers(1 << 40)}" for _ in sizes])
    start = place_groups(heads, groups, field.cells)
    taken = np.zeros(field.cells, np.int64)
    for first, room in zip(start, rooms, strict=True):
        assert first % room == 0
        taken[first : first + room] += 1
    assert taken.max(initial=0) <= 1
    cells = place_members(heads, groups, field)
    assert len({tuple(cell) for cell in cells.tolist()}) == len(cells) == groups.sum()
    assert (cells >= 0).all() and (cells < [field.width, field.height]).all()
    rank = np.full((field.width, field.height), -1)
    rank[tuple(field.curve().T)] = np.arange(field.cells)
    inside = rank[tuple(cells.T)] - np.repeat(start, groups)
    assert ((inside >= 0) & (inside < np.repeat(rooms, groups))).all()


def test_an_island_is_round_of_one_piece_and_its_parts_lie_together() -> None:
    size = 900
    (field,) = {smallest_field(capacity(np.array([size])))}
    cells = place_members(name_keys(["a/b"]), np.array([size]), field)
    land = np.zeros((field.width, field.height), np.bool_)
    land[tuple(cells.T)] = True
    assert _pieces(land) == 1
    spread = np.hypot(*(cells - cells.mean(axis=0)).T)
    assert spread.max() < 2.2 * np.sqrt(size / np.pi), "no long arms"
    part = cells[300:400]
    assert np.hypot(*(part - part.mean(axis=0)).T).mean() < 0.6 * spread.mean()


def _pieces(land: Flags) -> int:
    """Connected parts of a field, by flooding."""
    left, count = {tuple(cell) for cell in np.argwhere(land).tolist()}, 0
    while left:
        count += 1
        todo = [left.pop()]
        while todo:
            x, y = todo.pop()
            beside = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)} & left
            left -= beside
            todo += beside
    return count


def test_a_grown_atlas_leaves_nearly_all_families_where_they_are() -> None:
    rng = np.random.default_rng(7)
    names = [f"org{number % 700}/model-{number}" for number in range(6000)]
    before = np.minimum(2 + rng.pareto(1.1, 5500) * 2, 4000).astype(np.int64)
    after = np.concatenate((before + rng.binomial(before, 0.024), np.full(130, 2)))
    field = smallest_field(capacity(after))
    curve = field.curve()
    old = place_groups(name_keys(names[:5500]), before, field.cells)
    new = place_groups(name_keys(names[: len(after)]), after, field.cells)[:5500]
    moved = np.hypot(*(curve[old] - curve[new]).T) / field.height
    assert (capacity(before) != capacity(after[:5500])).mean() > 0.02, "some outgrow their room"
    assert (moved == 0).mean() > 0.8
    assert np.quantile(np.repeat(moved, before), 0.95) < 0.05


def test_members_of_a_grown_family_stay_near() -> None:
    before, after = np.array([1000]), np.array([1020])
    field = smallest_field(capacity(after))
    old, new = (place_members(name_keys(["a/b"]), sizes, field) for sizes in (before, after))
    moved = np.hypot(*(old - new[:1000]).T)
    assert np.quantile(moved, 0.9) < 0.3 * np.sqrt(1000)
