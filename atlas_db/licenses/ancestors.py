"""Ancestors' licences of every model in one topological pass, and widest paths to single ancestors on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from atlas_db.licenses.audit_graph import TRAINED, AuditEdge, AuditGraph

State = tuple[int, int, bool]
"""Node, strongest relation so far (index in `RELATIONS`), whether the path has an inferred or predicted edge."""


class ReachedAncestor(NamedTuple):
    """One ancestor with the best path of a given strongest relation.

    Attributes:
        node: Index of the ancestor.
        strength: Strongest relation on the path, as index in `RELATIONS`.
        uncertain: True where an edge on the path is inferred or predicted.
        confidence: Smallest confidence of an edge on the path. The path maximises it, then has the fewest steps.
        hops: Number of steps.
    """

    node: int
    strength: int
    uncertain: bool
    confidence: float
    hops: int


def licenses_above(
    graph: AuditGraph, own: Sequence[int], min_confidence: float = 0.0, *, data: bool = True
) -> list[int]:
    """Return the union of the ancestors' licences of each node, as a bit mask.

    One pass in topological order, O(nodes + edges). Nodes on or below a cycle are iterated to a fixed point.

    Args:
        graph: The graph.
        own: Bit mask of each node's own licences.
        min_confidence: Edges below this are ignored.
        data: Include training data among the ancestors.
    """
    above = [0] * len(graph.ids)
    steps = {
        child: [e.parent for e in edges if e.confidence >= min_confidence and (data or e.strength != TRAINED)]
        for child, edges in graph.parents.items()
    }
    order, rest = _topological_order(steps)
    for child in order:
        above[child] = _union(steps[child], above, own)
    changed = bool(rest)
    while changed:
        changed = False
        for child in rest:
            union = _union(steps[child], above, own)
            changed |= union != above[child]
            above[child] = union
    return above


def _union(parents: Sequence[int], above: Sequence[int], own: Sequence[int]) -> int:
    bits = 0
    for parent in parents:
        bits |= above[parent] | own[parent]
    return bits


def _topological_order(steps: dict[int, list[int]]) -> tuple[list[int], list[int]]:
    """Return children with parents before children (Kahn 1962), and those on or below a cycle."""
    waiting = {child: sum(parent in steps for parent in parents) for child, parents in steps.items()}
    children: dict[int, list[int]] = {}
    for child, parents in steps.items():
        for parent in parents:
            if parent in steps:
                children.setdefault(parent, []).append(child)
    order = [child for child, count in waiting.items() if count == 0]
    for node in order:
        for child in children.get(node, ()):
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    return order, [child for child, count in waiting.items() if count > 0]


class AncestorSearch:
    """Search of the best paths from one model to the ancestors that have given licences."""

    def __init__(
        self, graph: AuditGraph, own: Sequence[int], above: Sequence[int], min_confidence: float = 0.0
    ) -> None:
        self._graph = graph
        self._own = own
        self._above = above
        self._min = min_confidence
        self._before: dict[tuple[State, int], tuple[State, AuditEdge]] = {}

    def ancestors(self, start: int, wanted: int) -> list[ReachedAncestor]:
        """Return the ancestors with a wanted licence, once for each state in which a path reaches them.

        A widest path whose prefix is wider, but longer, than another may lose to it in steps once both meet a weak
        edge. So states are relaxed level by level of the number of steps (Bellman 1958), and go on only where their
        confidence rises. A node has at most twelve states, each at most once a level. Paths are not enumerated.
        """
        self._before = {}
        origin: State = (start, -1, False)
        best: dict[State, tuple[float, int]] = {}
        level, hops = {origin: 1.0}, 0
        while level:
            hops += 1
            level = self._next_level(start, level, hops, best, wanted)
        reached = sorted((-confidence, hops, state) for state, (confidence, hops) in best.items())
        return [
            ReachedAncestor(node, strength, uncertain, -negative, hops)
            for negative, hops, (node, strength, uncertain) in reached
            if self._own[node] & wanted
        ]

    def _next_level(
        self, start: int, level: dict[State, float], hops: int, best: dict[State, tuple[float, int]], wanted: int
    ) -> dict[State, float]:
        """Return the states that one more step reaches with a higher confidence than fewer steps did."""
        own, above = self._own, self._above
        risen: dict[State, float] = {}
        for state, confidence in level.items():
            node, strength, uncertain = state
            for edge in self._graph.parents.get(node, ()):
                if edge.confidence < self._min or edge.parent == start:
                    continue
                if not (own[edge.parent] | above[edge.parent]) & wanted:
                    continue
                after = (edge.parent, max(strength, edge.strength), uncertain or edge.uncertain)
                width = min(confidence, edge.confidence)
                if after not in best or width > best[after][0]:
                    best[after] = (width, hops)
                    risen[after] = width
                    self._before[after, hops] = (state, edge)
        return risen

    def path(self, start: int, reached: ReachedAncestor) -> list[AuditEdge]:
        """Return the edges from the start of the last search to an ancestor, in that order."""
        state: State = (reached.node, reached.strength, reached.uncertain)
        steps: list[AuditEdge] = []
        for hops in range(reached.hops, 0, -1):
            state, edge = self._before[state, hops]
            steps.append(edge)
        return steps[::-1]
