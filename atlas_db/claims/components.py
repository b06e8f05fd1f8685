"""Strongly connected components of a directed graph, and reachability: the one cycle finder of all packages.

It needs no library beyond Python, because loading and writing packaged predictions run on a bare install. Cycles are
broken by one policy, `closing_edges`: edges are added in an order that the caller gives, and one that closes a cycle
goes. Declared edges are added by date (`atlas_db.claims.resolve`), inferred and predicted ones by confidence
(`without_cycles`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

Node = TypeVar("Node", bound=Hashable)


class UncertainEdge(Protocol):
    """An edge from a child to a parent, with the probability that it is right."""

    @property
    def child(self) -> str:
        """Id of the child."""

    @property
    def parent(self) -> str:
        """Id of the parent."""

    @property
    def confidence(self) -> float:
        """Probability, 0..1."""


AnyEdge = TypeVar("AnyEdge", bound=UncertainEdge)


def strongly_connected(edges: Mapping[Node, Iterable[Node]]) -> list[list[Node]]:
    """Return the strongly connected components of two nodes or more, by two depth-first passes (Sharir 1981).

    Args:
        edges: Targets of each node; nodes without targets may be left out.
    """
    reverse: dict[Node, list[Node]] = defaultdict(list)
    for node, targets in edges.items():
        for target in targets:
            reverse[target].append(node)
    seen: set[Node] = set()
    finished = [node for root in edges for node in _postorder(edges, root, seen)]
    assigned: set[Node] = set()
    components = [list(_postorder(reverse, root, assigned)) for root in reversed(finished)]
    return [component for component in components if len(component) > 1]


def _postorder(edges: Mapping[Node, Iterable[Node]], root: Node, seen: set[Node]) -> Iterator[Node]:
    """Yield the nodes that a root reaches outside of `seen`, each after all that it reaches, without recursion."""
    if root in seen:
        return
    seen.add(root)
    path = [(root, iter(edges.get(root, ())))]
    while path:
        node, targets = path[-1]
        for target in targets:
            if target not in seen:
                seen.add(target)
                path.append((target, iter(edges.get(target, ()))))
                break
        else:
            path.pop()
            yield node


def closing_edges(edges: Collection[tuple[Node, Node]]) -> set[tuple[Node, Node]]:
    """Return the edges that close a cycle, if edges are added in order and those that close one are left out.

    Args:
        edges: Pairs (from, to), the edges to keep first. An edge from a node to itself is a cycle.
    """
    targets: dict[Node, list[Node]] = defaultdict(list)
    for source, target in edges:
        targets[source].append(target)
    component = {node: number for number, nodes in enumerate(strongly_connected(targets)) for node in nodes}
    kept: dict[Node, list[Node]] = defaultdict(list)
    closing: set[tuple[Node, Node]] = set()
    for source, target in edges:
        if source == target:
            closing.add((source, target))
            continue
        if source not in component or component[source] != component.get(target):
            continue
        if is_reachable(kept, target, source):
            closing.add((source, target))
        else:
            kept[source].append(target)
    return closing


def without_cycles(edges: Sequence[AnyEdge], known: Iterable[tuple[str, str]] = ()) -> list[AnyEdge]:
    """Return edges of which none closes a cycle: those of the least confidence in each cycle are left out.

    Args:
        edges: Edges in any order, which is kept. Of equal confidence the first by ids stay.
        known: Pairs (child, parent) that stay in any case.
    """
    likeliest_first = sorted(edges, key=lambda each: (-each.confidence, each.child, each.parent))
    closing = closing_edges([*known, *((each.child, each.parent) for each in likeliest_first)])
    return [each for each in edges if (each.child, each.parent) not in closing]


def is_reachable(edges: Mapping[Node, Iterable[Node]], start: Node, goal: Node) -> bool:
    """Whether a node is the goal, or edges lead from it to the goal."""
    seen, queue = {start}, [start]
    while queue:
        node = queue.pop()
        if node == goal:
            return True
        for following in edges.get(node, ()):
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return False
