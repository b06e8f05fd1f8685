"""What models have in common: the groups whose declarations speak for a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import numbered
from atlas_db.core.arrays import Integers, Ragged, ragged


class Group(NamedTuple):
    """A kind of group.

    Attributes:
        name: What its members have in common.
        members: Group that each model belongs to, -1 for none.
        askers: Group that each model asks, -1 for none; mostly the same.
        bare: True where id, dates and lineage are enough to know it.
    """

    name: str
    members: Integers
    askers: Integers
    bare: bool


def shared(name: str, members: Integers, *, bare: bool) -> Group:
    """Return a kind of group that models ask which are in it."""
    return Group(name, members, members, bare)


def sets(held: Ragged) -> Integers:
    """Return equal numbers for models with equal sets, -1 for empty ones.

    Sets are told apart by the sum of a random number of 64 bits an element.
    """
    numbers = np.random.default_rng(1).integers(0, 1 << 63, int(held.values.max(initial=0)) + 1, np.uint64)
    out = np.full(len(held.starts) - 1, -1, np.int64)
    filled = held.counts > 0
    if filled.any():
        sums = np.add.reduceat(numbers[held.values], held.starts[:-1][filled])
        out[filled] = numbered(pa.array(sums))
    return out


def both(first: Integers, second: Integers) -> Integers:
    """Return equal numbers where both are equal, -1 where either is."""
    joined = np.where((first >= 0) & (second >= 0), first * (int(second.max(initial=0)) + 1) + second, -1)
    return numbered(pa.array(joined, mask=joined < 0))


def nth_parent(graph: Graph, place: int) -> Integers:
    """Return the parent at a place of each model's list, -1 where there are fewer."""
    starts, counts = graph.parents.starts[:-1], graph.parents.counts
    out = np.full(len(graph), -1, np.int64)
    has = counts > place
    out[has] = graph.parents.values[starts[has] + place]
    return out


def above(parent: Integers, of: Integers) -> Integers:
    """Return the parent of each model in `of`, -1 where there is none."""
    return np.where(of >= 0, parent[of], -1)


def roots(parent: Integers) -> Integers:
    """Return the end of each model's chain of first parents, -1 for models without any."""
    top = np.where(parent >= 0, parent, np.arange(len(parent)))
    for _ in range(64):
        higher = top[top]
        if np.array_equal(higher, top):
            break
        top = higher
    return np.where(parent >= 0, top, -1)


def groups(graph: Graph, hidden: frozenset[str], stated: Callable[[str], bool]) -> list[Group]:
    """Return all kinds of groups.

    Args:
        graph: The graph.
        hidden: Attributes that may not be looked at: the target.
        stated: Whether a tag states the target, and must not be looked at.
    """
    author, names = graph.author, graph.names
    found = [
        shared("author", author, bare=True),
        shared("same name", names.stem, bare=True),
        shared("name pattern", names.pattern, bare=True),
        shared("author and name pattern", both(author, names.pattern), bare=True),
        shared("first words", names.head, bare=True),
        shared("first word", names.first, bare=True),
        shared("author and first word", both(author, names.first), bare=True),
        shared("author and first words", both(author, names.head), bare=True),
        shared("last word", names.last, bare=True),
        shared("author and last word", both(author, names.last), bare=True),
        shared("behaves alike", graph.behaviour, bare=True),
    ]
    if "base_model" not in hidden:
        found += _lineage(graph, names.last)
    return [*found, *_told(graph, hidden, stated)]


def _lineage(graph: Graph, last: Integers) -> list[Group]:
    """Groups by what models derive from."""
    own, author = np.arange(len(graph)), graph.author
    parent, second = nth_parent(graph, 0), nth_parent(graph, 1)
    root = roots(parent)
    children = np.where(np.bincount(parent[parent >= 0], minlength=len(graph)) > 0, own, -1)
    parent_author = np.where(parent >= 0, author[parent], -1)
    return [
        Group("parent says", own, parent, True),
        Group("second parent says", own, second, True),
        Group("root says", own, np.where(root != parent, root, -1), True),
        Group("grandparent says", own, above(parent, parent), True),
        shared("siblings", parent, bare=True),
        Group("siblings of the second parent", parent, second, True),
        shared("family", root, bare=True),
        Group("children", parent, children, True),
        shared("author and parent", both(author, parent), bare=True),
        shared("author and family", both(author, root), bare=True),
        Group("author of the parent", author, parent_author, True),
        shared("parent and last word", both(parent, last), bare=True),
    ]


def _told(graph: Graph, hidden: frozenset[str], stated: Callable[[str], bool]) -> list[Group]:
    """Groups by what a repository states: tags, task, library, language, dataset, paper, licence."""
    tags = graph.columns["tags"]
    shown = np.array([not stated(tag) for tag in tags.names], bool)
    kept = shown[tags.held.values]
    told = sets(ragged(len(graph), tags.held.rows[kept], tags.held.values[kept]))
    columns = {
        name: graph.columns[name].held.first
        for name in ("license", "pipeline_tag", "library_name", "language", "datasets", "paper", "model_type")
        if name not in hidden
    }
    author = graph.author
    found = {"tags": told, **columns}
    kinds = [shared(name, member, bare=False) for name, member in found.items()]
    kinds += [
        shared(f"author and {name}", both(author, found[name]), bare=False)
        for name in ("tags", "pipeline_tag", "library_name", "language", "license")
        if name in found
    ]
    if "pipeline_tag" in found and "library_name" in found:
        task_and_library = both(found["pipeline_tag"], found["library_name"])
        kinds.append(shared("pipeline_tag and library_name", task_and_library, bare=False))
    if "base_model" not in hidden:
        parent = nth_parent(graph, 0)
        kinds += [
            shared(f"parent and {name}", both(parent, found[name]), bare=False)
            for name in ("tags", "pipeline_tag")
            if name in found
        ]
    return kinds
