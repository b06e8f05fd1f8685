"""Tests of `atlas_db/analysis/forest.py`."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.analysis.forest import build_forest


@st.composite
def forests(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 30))
    parent = np.array([draw(st.integers(-1, row - 1)) for row in range(size)], np.int64)
    shuffled = np.array(draw(st.permutations(range(size))), np.int64)
    out = np.full(size, -1, np.int64)
    out[shuffled] = np.where(parent < 0, -1, shuffled[parent])
    return out, np.array(draw(st.permutations(range(size))), np.int64)


@given(forests())
def test_a_forest_is_that_of_networkx(given_: tuple[np.ndarray, np.ndarray]) -> None:
    parent, rank = given_
    found = build_forest(parent, rank)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(parent)))
    graph.add_edges_from((int(above), row) for row, above in enumerate(parent) if above >= 0)
    for row in graph:
        above = nx.ancestors(graph, row)
        below = nx.descendants(graph, row)
        assert found.depth[row] == len(above)
        assert found.size[row] == len(below) + 1
        assert found.root[row] == next((each for each in above if parent[each] < 0), row)
        at = found.position[row]
        assert set(found.order[at : at + found.size[row]]) == {row, *below}, "a sub-tree is one stretch of the order"
    for row in graph:
        children = sorted(graph.successors(row), key=lambda each: found.position[each])
        assert [rank[each] for each in children] == sorted(rank[each] for each in children)
    heads = [row for row in found.order if parent[row] < 0]
    assert [found.size[row] == 1 for row in heads] == sorted(found.size[row] == 1 for row in heads)
    assert sum(len(level) for level in found.levels()) == len(parent)


def test_a_ring_is_no_forest() -> None:
    with pytest.raises(ValueError, match="cycle"):
        build_forest(np.array([1, 0, -1]), np.arange(3))
