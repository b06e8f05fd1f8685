"""Strongly connected components, against networkx."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.claims.components import closing_edges, strongly_connected

EDGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


@given(EDGES)
def test_components_are_those_of_networkx(pairs: list[tuple[int, int]]) -> None:
    edges: dict[int, list[int]] = {}
    for start, end in pairs:
        edges.setdefault(start, []).append(end)
    expected = {frozenset(nodes) for nodes in nx.strongly_connected_components(nx.DiGraph(pairs)) if len(nodes) > 1}
    found = strongly_connected(edges)
    assert len(found) == len(expected) and {frozenset(nodes) for nodes in found} == expected


@given(EDGES)
def test_edges_that_close_a_cycle_are_those_that_one_by_one_insertion_finds(pairs: list[tuple[int, int]]) -> None:
    graph = nx.DiGraph()
    expected = set()
    for start, end in pairs:
        if start == end:
            continue
        graph.add_edge(start, end)
        if not nx.is_directed_acyclic_graph(graph):
            graph.remove_edge(start, end)
            expected.add((start, end))
    assert closing_edges([(start, end) for start, end in pairs if start != end]) == expected


@pytest.mark.slow
def test_a_long_chain_needs_no_recursion() -> None:
    chain = {node: [node + 1] for node in range(20_000)}
    assert strongly_connected(chain) == []
    assert [sorted(nodes) for nodes in strongly_connected({**chain, 20_000: [0]})] == [list(range(20_001))]
