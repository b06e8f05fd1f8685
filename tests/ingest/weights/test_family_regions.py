"""Tests of `ingest/weights/family_regions.py`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.scaling import one_family
from ingest.weights.chart import chart
from ingest.weights.family_chart import chart_family
from ingest.weights.family_regions import chart_regions, region_of
from ingest.weights.parameters.region_parameters import REGION
from ingest.weights.samples.model_families import ChartUnit

COUNT = 400


def test_a_small_family_is_one_region() -> None:
    unit = ChartUnit([0, 2], [0, 1, 2])
    assert chart_regions([], unit) == [unit]


def test_regions_share_the_models_among_them_and_are_bounded() -> None:
    prints, parents = one_family(COUNT)
    every = list(range(COUNT))
    regions = chart_regions(prints, ChartUnit(every, every))
    assert sorted(place for unit in regions for place in unit.children) == every
    assert len(regions) > 5
    sizes = [len(unit.members) for unit in regions]
    assert max(sizes) <= 4 * REGION.min_children + REGION.max_context * REGION.duplicates
    # Pairs that the exact search of all regions looks at, a model: bounded, whatever the size of the family.
    assert sum(size**2 for size in sizes) < COUNT * 4 * REGION.max_whole
    near = sum(parents[place] in unit.members for unit in regions for place in unit.children if place)
    assert near > 0.97 * COUNT


def test_many_copies_of_one_model_are_divided_and_keep_the_oldest_beside_them() -> None:
    prints, _ = one_family(150)
    copies = [replace(prints[9], id=f"copy{place:03d}", created_at=f"2025-01-01T00:{place // 60:02d}:{place % 60:02d}Z")
              for place in range(150)]  # fmt: skip
    family = [*prints, *copies]
    every = list(range(len(family)))
    regions = chart_regions(family, ChartUnit(every, every))
    assert sorted(place for unit in regions for place in unit.children) == every
    assert all(9 in unit.members for unit in regions if max(unit.children) >= 150)
    assert max(len(unit.children) for unit in regions) <= 2 * REGION.min_children


@pytest.mark.slow
def test_what_comes_to_a_large_family_is_charted_among_what_is_near() -> None:
    prints, parents = one_family(COUNT)
    new = prints[200].id
    region = region_of(prints, {new})
    assert len(region.members) <= REGION.max_whole + REGION.neighbours**2 // 2
    assert {new, prints[parents[200]].id} <= {item.id for item in region.members}
    assert len(region.children) == 1 + REGION.neighbours
    found = [edge for edge in chart(region.members, children=region.children) if edge.child == new]
    assert [each.parent for each in found] == [prints[parents[200]].id]
    assert {each.child for each in chart(region.members, children={new})} == {new}


def test_what_comes_to_a_small_family_is_charted_with_the_whole() -> None:
    prints, _ = one_family(12)
    assert region_of(prints, {prints[3].id}).children == {item.id for item in prints}


@pytest.mark.slow
def test_a_family_in_regions_gets_nearly_the_edges_of_the_exact_search() -> None:
    prints, parents = one_family(200)
    exact = {edge.child: edge.parent for edge in chart_family(prints)}
    found = {edge.child: edge.parent for edge in chart(prints)}
    same = sum(found.get(child) == parent for child, parent in exact.items())
    assert same > 0.93 * len(exact)
    right = [sum(each.get(f"m{place:06d}") == f"m{parent:06d}" for place, parent in enumerate(parents))
             for each in (found, exact)]  # fmt: skip
    assert right[0] >= right[1] - 5
