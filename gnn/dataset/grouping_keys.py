"""Groupings of models by common attributes: the groups over which declarations are counted (target encoding)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import factorize
from atlas_db.core.arrays import CsrLists, Integers, csr_lists


class Grouping(NamedTuple):
    """A partition of the models into groups; n is the number of models.

    Attributes:
        name: What the members of a group have in common.
        member_key: Group in which the declarations of each model count, -1 for none, shape (n,).
        query_key: Group that each model looks up, -1 for none, shape (n,); mostly equal to `member_key`.
        cold_start: True where id, dates and lineage suffice to compute it, without the model's metadata.
    """

    name: str
    member_key: Integers
    query_key: Integers
    cold_start: bool


def symmetric(name: str, keys: Integers, *, cold_start: bool) -> Grouping:
    """Return a grouping in which each model looks up its own group."""
    return Grouping(name, keys, keys, cold_start)


def set_keys(codes: CsrLists) -> Integers:
    """Return equal numbers for rows with equal sets of codes, -1 for empty sets, shape (n,).

    The hash of a set is the sum of one random 64-bit number for each element (additive Zobrist hashing).
    """
    element_hash = np.random.default_rng(1).integers(0, 1 << 63, int(codes.values.max(initial=0)) + 1, np.uint64)
    out = np.full(len(codes.indptr) - 1, -1, np.int64)
    filled = codes.counts > 0
    if filled.any():
        sums = np.add.reduceat(element_hash[codes.values], codes.indptr[:-1][filled])
        out[filled] = factorize(pa.array(sums))
    return out


def combine_keys(first: Integers, second: Integers) -> Integers:
    """Return equal numbers where both keys are equal, -1 where either is -1, shape (n,)."""
    joined = np.where((first >= 0) & (second >= 0), first * (int(second.max(initial=0)) + 1) + second, -1)
    return factorize(pa.array(joined, mask=joined < 0))


def nth_parent(graph: Graph, position: int) -> Integers:
    """Return the parent at a position of each model's list, from 0, -1 where there are fewer, shape (n,)."""
    starts, counts = graph.parents.indptr[:-1], graph.parents.counts
    out = np.full(len(graph), -1, np.int64)
    has = counts > position
    out[has] = graph.parents.values[starts[has] + position]
    return out


def parent_of(parent: Integers, rows: Integers) -> Integers:
    """Return the parent of each row, -1 where there is none or the row is -1, shape (len(rows),)."""
    return np.where(rows >= 0, parent[rows], -1)


def roots(parent: Integers) -> Integers:
    """Return the root of each model's chain of first parents, -1 for models without a parent, shape (n,).

    Each step doubles the length of the chain that is followed (pointer jumping); a cycle ends after 64 steps.
    """
    top = np.where(parent >= 0, parent, np.arange(len(parent)))
    for _ in range(64):
        higher = top[top]
        if np.array_equal(higher, top):
            break
        top = higher
    return np.where(parent >= 0, top, -1)


def groupings(graph: Graph, masked: frozenset[str], leaks: Callable[[str], bool]) -> list[Grouping]:
    """Return all groupings that may be used for one target.

    Args:
        graph: The graph.
        masked: Attributes that must not be used, the target among them.
        leaks: Whether a tag leaks the target, and must not be used.
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
        symmetric("behaviour cluster", graph.behaviour_cluster, cold_start=True),
    ]
    if "base_model" not in masked:
        found += _lineage_groupings(graph, names.last_token)
    return [*found, *_metadata_groupings(graph, masked, leaks)]


def _lineage_groupings(graph: Graph, last_token: Integers) -> list[Grouping]:
    """Return the groupings by parents, siblings and roots."""
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
        symmetric("parent and last token", combine_keys(parent, last_token), cold_start=True),
    ]


def _metadata_groupings(graph: Graph, masked: frozenset[str], leaks: Callable[[str], bool]) -> list[Grouping]:
    """Return the groupings by metadata: tags, task, library, language, dataset, paper, license."""
    tags = graph.columns["tags"]
    usable = np.array([not leaks(tag) for tag in tags.categories], bool)
    kept = usable[tags.codes.values]
    tag_key = set_keys(csr_lists(len(graph), tags.codes.rows[kept], tags.codes.values[kept]))
    columns = {
        name: graph.columns[name].codes.first
        for name in ("license", "pipeline_tag", "library_name", "language", "datasets", "paper", "model_type")
        if name not in masked
    }
    author = graph.author
    found = {"tags": tag_key, **columns}
    made = [symmetric(name, key, cold_start=False) for name, key in found.items()]
    made += [
        symmetric(f"author and {name}", combine_keys(author, found[name]), cold_start=False)
        for name in ("tags", "pipeline_tag", "library_name", "language", "license")
        if name in found
    ]
    if "pipeline_tag" in found and "library_name" in found:
        task_and_library = combine_keys(found["pipeline_tag"], found["library_name"])
        made.append(symmetric("pipeline_tag and library_name", task_and_library, cold_start=False))
    if "base_model" not in masked:
        parent = nth_parent(graph, 0)
        made += [
            symmetric(f"parent and {name}", combine_keys(parent, found[name]), cold_start=False)
            for name in ("tags", "pipeline_tag")
            if name in found
        ]
    return made
