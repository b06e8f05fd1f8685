"""What models have in common: the groups whose declarations speak for a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import factorize
from atlas_db.core.arrays import CsrLists, Integers, csr_lists


class Grouping(NamedTuple):
    """A kind of group.

    Attributes:
        name: What its members have in common.
        members: Group that each model belongs to, -1 for none.
        askers: Group that each model asks, -1 for none; mostly the same.
        bare: True where id, dates and lineage are enough to know it.
    """

    name: str
    member_key: Integers
    query_key: Integers
    cold_start: bool


def symmetric(name: str, members: Integers, *, cold_start: bool) -> Grouping:
    """Return a kind of group that models ask which are in it."""
    return Grouping(name, members, members, cold_start)


def set_keys(held: CsrLists) -> Integers:
    """Return equal numbers for models with equal sets, -1 for empty ones.

    Sets are told apart by the sum of a random number of 64 bits an element.
    """
    numbers = np.random.default_rng(1).integers(0, 1 << 63, int(held.values.max(initial=0)) + 1, np.uint64)
    out = np.full(len(held.indptr) - 1, -1, np.int64)
    filled = held.counts > 0
    if filled.any():
        sums = np.add.reduceat(numbers[held.values], held.indptr[:-1][filled])
        out[filled] = factorize(pa.array(sums))
    return out


def combine_keys(first: Integers, second: Integers) -> Integers:
    """Return equal numbers where both are equal, -1 where either is."""
    joined = np.where((first >= 0) & (second >= 0), first * (int(second.max(initial=0)) + 1) + second, -1)
    return factorize(pa.array(joined, mask=joined < 0))


def nth_parent(graph: Graph, place: int) -> Integers:
    """Return the parent at a place of each model's list, -1 where there are fewer."""
    starts, counts = graph.parents.indptr[:-1], graph.parents.counts
    out = np.full(len(graph), -1, np.int64)
    has = counts > place
    out[has] = graph.parents.values[starts[has] + place]
    return out


def parent_of(parent: Integers, of: Integers) -> Integers:
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


def groupings(graph: Graph, hidden: frozenset[str], stated: Callable[[str], bool]) -> list[Grouping]:
    """Return all kinds of groups.

    Args:
        graph: The graph.
        hidden: Attributes that may not be looked at: the target.
        stated: Whether a tag states the target, and must not be looked at.
    """
    author, names = graph.author, graph.name_keys
    found = [
        symmetric("author", author, cold_start=True),
        symmetric("same name", names.stem, cold_start=True),
        symmetric("name pattern", names.pattern, cold_start=True),
        symmetric("author and name pattern", combine_keys(author, names.pattern), cold_start=True),
        symmetric("first two tokens", names.first_two_tokens, cold_start=True),
        symmetric("first token", names.first_token, cold_start=True),
        symmetric("author and first token", combine_keys(author, names.first_token), cold_start=True),
        symmetric("author and first two tokens", combine_keys(author, names.first_two_tokens), cold_start=True),
        symmetric("last token", names.last_token, cold_start=True),
        symmetric("author and last token", combine_keys(author, names.last_token), cold_start=True),
        symmetric("same behaviour cluster", graph.behaviour_cluster, cold_start=True),
    ]
    if "base_model" not in hidden:
        found += _lineage_groupings(graph, names.last_token)
    return [*found, *_metadata_groupings(graph, hidden, stated)]


def _lineage_groupings(graph: Graph, last: Integers) -> list[Grouping]:
    """Groups by what models derive from."""
    own, author = np.arange(len(graph)), graph.author
    parent, second = nth_parent(graph, 0), nth_parent(graph, 1)
    root = roots(parent)
    children = np.where(np.bincount(parent[parent >= 0], minlength=len(graph)) > 0, own, -1)
    parent_author = np.where(parent >= 0, author[parent], -1)
    return [
        Grouping("parent's label", own, parent, True),
        Grouping("second parent's label", own, second, True),
        Grouping("root's label", own, np.where(root != parent, root, -1), True),
        Grouping("grandparent's label", own, parent_of(parent, parent), True),
        symmetric("siblings", parent, cold_start=True),
        Grouping("siblings of the second parent", parent, second, True),
        symmetric("family", root, cold_start=True),
        Grouping("children", parent, children, True),
        symmetric("author and parent", combine_keys(author, parent), cold_start=True),
        symmetric("author and family", combine_keys(author, root), cold_start=True),
        Grouping("author of the parent", author, parent_author, True),
        symmetric("parent and last token", combine_keys(parent, last), cold_start=True),
    ]


def _metadata_groupings(graph: Graph, hidden: frozenset[str], stated: Callable[[str], bool]) -> list[Grouping]:
    """Groups by what a repository states: tags, task, library, language, dataset, paper, licence."""
    tags = graph.columns["tags"]
    shown = np.array([not stated(tag) for tag in tags.categories], bool)
    kept = shown[tags.codes.values]
    told = set_keys(csr_lists(len(graph), tags.codes.rows[kept], tags.codes.values[kept]))
    columns = {
        name: graph.columns[name].codes.first
        for name in ("license", "pipeline_tag", "library_name", "language", "datasets", "paper", "model_type")
        if name not in hidden
    }
    author = graph.author
    found = {"tags": told, **columns}
    kinds = [symmetric(name, member, cold_start=False) for name, member in found.items()]
    kinds += [
        symmetric(f"author and {name}", combine_keys(author, found[name]), cold_start=False)
        for name in ("tags", "pipeline_tag", "library_name", "language", "license")
        if name in found
    ]
    if "pipeline_tag" in found and "library_name" in found:
        task_and_library = combine_keys(found["pipeline_tag"], found["library_name"])
        kinds.append(symmetric("pipeline_tag and library_name", task_and_library, cold_start=False))
    if "base_model" not in hidden:
        parent = nth_parent(graph, 0)
        kinds += [
            symmetric(f"parent and {name}", combine_keys(parent, found[name]), cold_start=False)
            for name in ("tags", "pipeline_tag")
            if name in found
        ]
    return kinds
