"""Words of a model as hashed numbers: from its name, its owner and its lineage, and from what it states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np

from gnn.graph import Graph, Integers, Ragged, ragged
from gnn.groups import above, nth_parent, roots
from gnn.names import pattern, words

BUCKETS = 1 << 17
"""Numbers that words are hashed to; zero stands for none."""


def bucket(word: str) -> int:
    """Return the number of a word, the same on every machine."""
    return 1 + crc32(word.encode()) % (BUCKETS - 1)


def pack(lists: Iterable[list[int]]) -> Ragged:
    """Return lists as one array."""
    kept = list(lists)
    starts = np.concatenate(([0], np.cumsum([len(each) for each in kept]))).astype(np.int64)
    return Ragged(np.array([value for each in kept for value in each], np.int64), starts)


def known_words(graph: Graph, *, lineage: bool = True) -> Ragged:
    """Return the words of names, owners and, where wanted, lineage: what is known of every model."""
    owners = [f"by {name}" for name in graph.authors]
    said = [_spelled(identifier) for identifier in graph.ids]
    for row, owner in enumerate(graph.author):
        if owner >= 0:
            said[row].append(bucket(owners[owner]))
    return pack(_with_lineage(graph, said) if lineage else said)


def _with_lineage(graph: Graph, said: Sequence[list[int]]) -> Iterator[list[int]]:
    parent = nth_parent(graph, 0)
    second, root, grand = nth_parent(graph, 1), roots(parent), above(parent, parent)
    above_words = [bucket(f"above {identifier}") for identifier in graph.ids]
    relation = np.full(len(graph), -1, np.int64)
    has = graph.parents.counts > 0
    relation[has] = graph.relations[graph.parents.starts[:-1][has]]
    kinds = [bucket(f"as {kind}") for kind in range(8)]

    none = bucket("no parent")
    for row, own in enumerate(said):
        if parent[row] < 0:
            yield [*own, none]
            continue
        higher = [parent[row], second[row], grand[row], root[row] if root[row] != parent[row] else -1]
        theirs = [1 + hashed % (BUCKETS - 1) for hashed in said[parent[row]]]
        yield [*own, *(above_words[other] for other in higher if other >= 0), kinds[relation[row]], *theirs]


def _spelled(identifier: str) -> list[int]:
    name = identifier.rpartition("/")[2]
    parts = words(name)
    pairs = [f"{a} {b}" for a, b in pairwise(parts)]
    lower = f"<{name.lower()[:48]}>"
    grams = {lower[at : at + 4] for at in range(len(lower) - 3)}
    return [bucket(word) for word in (*parts, *pairs, *(f"^{gram}" for gram in sorted(grams)), f"~{pattern(name)}")]


def told_words(
    graph: Graph, hidden: frozenset[str], stated: Callable[[str], bool], spelled_out: Callable[[str], bool]
) -> Ragged:
    """Return the words of tags, cards and other attributes, without those that state the target."""
    masks = {"tags": stated, "card": spelled_out}
    entries: list[tuple[Integers, Integers]] = []
    for name, column in graph.columns.items():
        if name in hidden:
            continue
        numbers = np.array([bucket(f"{name}:{value}") for value in column.names], np.int64)
        rows, values = column.held.rows, column.held.values
        if name in masks:
            keep = np.array([not masks[name](value) for value in column.names], bool)[values]
            rows, values = rows[keep], values[keep]
        entries.append((rows, numbers[values] if len(values) else values))
    rows = np.concatenate([entry[0] for entry in entries])
    values = np.concatenate([entry[1] for entry in entries])
    order = np.argsort(rows, kind="stable")
    return ragged(len(graph), rows[order], values[order])
