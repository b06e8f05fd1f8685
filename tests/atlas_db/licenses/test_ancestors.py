"""Licenses above a model, and the most confident path to each ancestor, against an enumeration of all paths."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from atlas_db.licenses.ancestors import AncestorSearch, licenses_above
from atlas_db.licenses.audit_graph import TRAINED, AuditEdge, AuditGraph

SIZE = 7
EDGES = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1), st.integers(0, 3), st.integers(1, 9), st.booleans()),
    max_size=14,
)


def graph_of(edges: list[tuple[int, int, int, int, bool]]) -> AuditGraph:
    graph = AuditGraph([f"m/{node}" for node in range(SIZE)], SIZE)
    for child, parent, strength, tenths, uncertain in edges:
        if child != parent:
            edge = AuditEdge(parent, strength, tenths / 10, "declared", uncertain)
            graph.parents.setdefault(child, []).append(edge)
    return graph


def simple_paths(graph: AuditGraph, node: int, seen: tuple[int, ...] = ()) -> list[list[AuditEdge]]:
    found: list[list[AuditEdge]] = []
    for edge in graph.parents.get(node, ()):
        if edge.parent not in (*seen, node):
            found += [[edge], *([edge, *rest] for rest in simple_paths(graph, edge.parent, (*seen, node)))]
    return found


@given(EDGES, st.sampled_from([0.0, 0.5]), st.booleans())
def test_licenses_above_are_those_of_all_that_can_be_reached(
    edges: list[tuple[int, int, int, int, bool]], least: float, data: bool
) -> None:
    graph = graph_of(edges)
    own = [1 << node for node in range(SIZE)]
    above = licenses_above(graph, own, least, data=data)
    for start in range(SIZE):
        reached, frontier = set[int](), [start]
        while frontier:
            for edge in graph.parents.get(frontier.pop(), ()):
                if edge.confidence >= least and (data or edge.strength != TRAINED) and edge.parent not in reached:
                    reached.add(edge.parent)
                    frontier.append(edge.parent)
        assert above[start] == sum(own[node] for node in reached)


@given(EDGES)
@example([(0, 1, 0, 5, False), (0, 3, 0, 9, False), (3, 1, 0, 9, False), (1, 2, 0, 1, False)])
def test_the_path_to_an_ancestor_is_the_most_confident_and_then_the_shortest(
    edges: list[tuple[int, int, int, int, bool]],
) -> None:
    graph = graph_of(edges)
    own = [1 << node for node in range(SIZE)]
    search = AncestorSearch(graph, own, licenses_above(graph, own))
    expected: dict[tuple[int, int, bool], tuple[float, int]] = {}
    for path in simple_paths(graph, 0):
        state = (path[-1].parent, max(edge.strength for edge in path), any(edge.uncertain for edge in path))
        key = (-min(edge.confidence for edge in path), len(path))
        expected[state] = min(expected.get(state, key), key)
    found = {(each.node, each.strength, each.uncertain): each for each in search.ancestors(0, (1 << SIZE) - 1)}
    assert expected.keys() <= found.keys()
    for state, (confidence, hops) in expected.items():
        each = found[state]
        assert (-each.confidence, each.hops) <= (confidence, hops)
        path = search.path(0, each)
        assert (path[-1].parent, len(path)) == (each.node, each.hops)
        assert min(edge.confidence for edge in path) == each.confidence


def test_only_ancestors_with_a_wanted_license_are_searched() -> None:
    graph = graph_of([(0, 1, 0, 9, False), (1, 2, 0, 9, False), (0, 3, 0, 9, False)])
    own = [0, 1, 2, 1]
    own += [0] * (SIZE - 4)
    search = AncestorSearch(graph, own, licenses_above(graph, own))
    assert [each.node for each in search.ancestors(0, 2)] == [2]
    assert {each.node for each in search.ancestors(0, 1)} == {1, 3}
