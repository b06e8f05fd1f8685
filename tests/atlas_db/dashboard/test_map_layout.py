"""Tests of `atlas_db/dashboard/map_layout.py`."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_db.dashboard.map_layout import (
    capacity,
    hilbert_curve,
    name_keys,
    place_families,
    place_singletons,
    smallest_sheet,
)


@given(st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60)
def test_the_curve_visits_every_cell_once_and_hardly_jumps(width: int, height: int) -> None:
    cells = hilbert_curve(width, height)
    assert len({tuple(cell) for cell in cells.tolist()}) == width * height == len(cells)
    assert cells.min() == 0
    assert cells.max(axis=0).tolist() == [width - 1, height - 1]
    steps = np.abs(np.diff(cells, axis=0))
    assert steps.max(initial=0) <= 1
    if width % 2 == height % 2 == 0:
        assert set(steps.sum(axis=1).tolist()) <= {1}


@given(st.lists(st.integers(2, 3000), max_size=200), st.integers(0, 3000), st.integers(0, 2**32))
@settings(max_examples=60)
def test_every_model_has_a_cell_of_its_own_and_every_family_its_room(sizes: list[int], alone: int, seed: int) -> None:
    families = np.array(sizes, np.int64)
    sheet = smallest_sheet(int(capacity(families).sum()), alone)
    rng = np.random.default_rng(seed)
    heads = name_keys([f"org/{rng.integers(1 << 40)}" for _ in sizes])
    start = place_families(heads, families, sheet.families * sheet.height)
    taken = np.zeros(sheet.families * sheet.height, np.int64)
    for first, size in zip(start, capacity(families), strict=True):
        assert first % size == 0
        taken[first : first + size] += 1
    assert taken.max() <= 1
    assert taken.sum() == capacity(families).sum()
    authors = name_keys([f"a{rng.integers(50)}" for _ in range(alone)])
    cells = place_singletons(authors, rng.permutation(alone), sheet.singletons * sheet.height)
    assert len(np.unique(cells)) == alone
    assert alone == 0 or (cells.min() >= 0 and cells.max() < sheet.singletons * sheet.height)
    for author in np.unique(authors):
        own = np.sort(cells[authors == author])
        assert own[-1] - own[0] <= alone


def test_a_grown_atlas_leaves_nearly_all_families_where_they_are() -> None:
    rng = np.random.default_rng(7)
    names = [f"org{number % 700}/model-{number}" for number in range(6000)]
    before = np.minimum(2 + rng.pareto(1.1, 5500) * 2, 4000).astype(np.int64)
    after = np.concatenate((before + rng.binomial(before, 0.024), np.full(130, 2)))
    sheet = smallest_sheet(int(capacity(after).sum()), 0)
    cells, curve = sheet.families * sheet.height, hilbert_curve(sheet.families, sheet.height)
    old = place_families(name_keys(names[:5500]), before, cells)
    new = place_families(name_keys(names[: len(after)]), after, cells)[:5500]
    moved = np.hypot(*(curve[old] - curve[new]).T) / sheet.height
    assert (capacity(before) != capacity(after[:5500])).mean() > 0.02, "some outgrow their room"
    assert (moved == 0).mean() > 0.8
    assert np.quantile(np.repeat(moved, before), 0.95) < 0.05
    authors = name_keys([name.split("/")[0] for name in names])
    rank = np.arange(6000)
    lone_old, lone_new = (
        place_singletons(authors[:5800], rank[:5800], 8192),
        place_singletons(authors, rank, 8192)[:5800],
    )
    assert np.quantile(np.abs(lone_old - lone_new), 0.9) < 0.02 * 8192
