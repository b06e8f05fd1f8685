"""The trees of a chart on the screen: what comes from what, and from which origins that are not here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from atlas_db.cli.output import console, print_text
from atlas_db.core.terms import is_origin

if TYPE_CHECKING:
    from rich.tree import Tree

    from ingest.weights.tree.edge import Edge

MAX_SHOWN = 60
"""Models that are drawn at most; a file holds the others."""


def print_trees(edges: Sequence[Edge]) -> None:
    """Print the likeliest parent of each model as trees, the largest first.

    Args:
        edges: The edges of a chart that are written.
    """
    from rich.text import Text
    from rich.tree import Tree

    first: dict[str, Edge] = {}
    for edge in sorted(edges, key=lambda edge: (-edge.confidence, edge.parent)):
        first.setdefault(edge.child, edge)
    others: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if first[edge.child] is not edge:
            others[edge.child].append(edge.parent)
    below: dict[str, list[Edge]] = defaultdict(list)
    for edge in first.values():
        below[edge.parent].append(edge)
    tops = [name for name in below if name not in first]
    sizes = {name: _size(name, below) for name in tops}
    shown = 0
    for place, name in enumerate(sorted(tops, key=lambda name: (-sizes[name], name))):
        if shown and shown + sizes[name] > MAX_SHOWN:
            print_text(f"and {len(tops) - place:,} more trees: --out writes all edges", "dim")
            break
        shown += sizes[name]
        tree = Tree(Text(_name(name), style="bold"))
        _grow(tree, name, below, others, MAX_SHOWN)
        console().print(tree)


def _size(name: str, below: dict[str, list[Edge]]) -> int:
    """Return the number of models in a tree."""
    count, queue = 0, [name]
    while queue:
        count += 1
        queue += [edge.child for edge in below.get(queue.pop(), ())]
    return count


def _grow(tree: Tree, top: str, below: dict[str, list[Edge]], others: dict[str, list[str]], most: int) -> None:
    """Add what comes from a model, breadth first, up to a number of models."""
    from rich.text import Text

    queue = [(top, tree)]
    while queue:
        name, branch = queue.pop(0)
        edges = sorted(below.get(name, ()), key=lambda edge: edge.child)
        for edge in edges[:most]:
            text = Text(_name(edge.child))
            text.append(f"  {edge.relation.value} {edge.confidence:.2f}", style="cyan")
            if others[edge.child]:
                text.append(f"  also of {', '.join(map(_name, sorted(others[edge.child])))}", style="dim")
            queue.append((edge.child, branch.add(text)))
        if len(edges) > most:
            branch.add(Text(f"+{len(edges) - most:,}", style="dim"))
        most = max(most - len(edges), 0)


def _name(model: str) -> str:
    return "an origin that is not here" if is_origin(model) else model
