"""Strongly connected components, against networkx."""

from __future__ import annotations

from typing import NamedTuple

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.claims.components import closing_edges, strongly_connected, without_cycles

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
        graph.add_edge(start, end)
        if not nx.is_directed_acyclic_graph(graph):
            graph.remove_edge(start, end)
            expected.add((start, end))
    assert closing_edges(pairs) == expected


class Edge(NamedTuple):
    child: str
    parent: str
    confidence: float


def test_the_least_sure_edge_of_a_cycle_is_left_out() -> None:
    edges = [Edge("a", "b", 0.9), Edge("b", "c", 0.6), Edge("c", "a", 0.8), Edge("d", "a", 0.5), Edge("c", "root", 0.4)]
    assert without_cycles(edges) == [each for each in edges if each.child != "b"]
    assert without_cycles(edges[3:]) == edges[3:]


def test_what_is_known_stays_and_of_equal_edges_the_first_by_ids() -> None:
    assert without_cycles([Edge("b", "a", 0.9), Edge("b", "c", 0.1)], [("a", "b")]) == [Edge("b", "c", 0.1)]
    assert without_cycles([Edge("y", "x", 0.5), Edge("x", "y", 0.5), Edge("z", "z", 1.0)]) == [Edge("x", "y", 0.5)]


@pytest.mark.slow
def test_a_long_chain_needs_no_recursion() -> None:
    chain = {node: [node + 1] for node in range(20_000)}
    assert strongly_connected(chain) == []
    assert [sorted(nodes) for nodes in strongly_connected({**chain, 20_000: [0]})] == [list(range(20_001))]
