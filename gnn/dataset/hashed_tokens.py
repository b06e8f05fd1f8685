"""Words of a model as hashed numbers: from its name, its owner and its lineage, and from what it states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from threading import Lock
from typing import NamedTuple
from zlib import crc32

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import name_tokens, pattern
from atlas_db.core.arrays import CsrLists, Integers, csr_lists, ranges, unique_sorted
from gnn.dataset.grouping_keys import nth_parent, parent_of, roots

BUCKETS = 1 << 17
"""Numbers that words are hashed to; zero stands for none."""


@lru_cache(maxsize=1 << 18)
def hash_bucket(word: str) -> int:
    """Return the number of a word, the same on every machine."""
    return 1 + crc32(word.encode()) % (BUCKETS - 1)


class TokenTable:
    """Words of names, owners and, where wanted, lineage: what is known of every model. Spelled when first asked for.

    Args:
        graph: The graph.
        lineage: Whether what a model derives from is among them.
        relation: Whether it is said how.
    """

    def __init__(self, graph: Graph, *, lineage: bool = True, relation: bool = True) -> None:
        self._graph = graph
        self._owners = [hash_bucket(f"by {name}") for name in graph.authors]
        # A parent's words are asked for once a child.
        self._own = lru_cache(maxsize=1 << 14)(self._spell)
        self._above = _Above.of(graph) if lineage else None
        self._relation = relation
        self._starts = np.full(len(graph), -1, np.int64)
        self._counts = np.zeros(len(graph), np.int64)
        self._values = np.zeros(0, np.int32)
        self._used = 0
        # Lots of models are looked at side by side.
        self._adding = Lock()

    def take(self, rows: Integers) -> CsrLists:
        """Return the words of some models in that order; -1 has none."""
        asked = unique_sorted(rows[rows >= 0])
        with self._adding:
            self._add(asked[self._starts[asked] < 0])
        counts = np.where(rows >= 0, self._counts[rows], 0)
        values = self._values[ranges(self._starts[rows], counts)].astype(np.int64)
        return CsrLists(values, np.concatenate(([0], np.cumsum(counts))))

    def _add(self, rows: Integers) -> None:
        said = [self._say(row) for row in rows.tolist()]
        counts = np.array([len(each) for each in said], np.int64)
        end = self._used + int(counts.sum())
        if end > len(self._values):
            self._values = np.resize(self._values, max(end, 2 * self._used))
        self._values[self._used : end] = [word for each in said for word in each]
        self._starts[rows], self._counts[rows] = self._used + np.cumsum(counts) - counts, counts
        self._used = end

    def _spell(self, row: int) -> list[int]:
        owner = self._graph.author[row]
        return _spelled(self._graph.ids[row]) + ([self._owners[owner]] if owner >= 0 else [])

    def _say(self, row: int) -> list[int]:
        own = self._own(row)
        if self._above is None:
            return own
        parent = int(self._above.parents[0][row])
        if parent < 0:
            return [*own, hash_bucket("no parent")]
        higher = [line[row] for line in self._above.parents]
        named = [hash_bucket(f"above {self._graph.ids[other]}") for other in higher if other >= 0]
        theirs = [1 + hashed % (BUCKETS - 1) for hashed in self._own(parent)]
        how = [hash_bucket(f"as {self._above.relation[row]}")] if self._relation else []
        return [*own, *named, *how, *theirs]


class _Above(NamedTuple):
    """What models derive from.

    Attributes:
        parents: Parent, second parent, grandparent and, where it is another than the parent, root, -1 for none.
        relation: Relation to the parent, index into `RELATIONS`, -1 for none.
    """

    parents: tuple[Integers, ...]
    relation: Integers

    @classmethod
    def of(cls, graph: Graph) -> _Above:
        parent = nth_parent(graph, 0)
        root = roots(parent)
        relation = np.full(len(graph), -1, np.int64)
        has = graph.parents.counts > 0
        relation[has] = graph.relations[graph.parents.indptr[:-1][has]]
        lines = parent, nth_parent(graph, 1), parent_of(parent, parent), np.where(root != parent, root, -1)
        return cls(lines, relation)


def _spelled(identifier: str) -> list[int]:
    name = identifier.rpartition("/")[2]
    parts = name_tokens(name)
    pairs = [f"{a} {b}" for a, b in pairwise(parts)]
    lower = f"<{name.lower()[:48]}>"
    grams = {lower[at : at + 4] for at in range(len(lower) - 3)}
    return [
        hash_bucket(word) for word in (*parts, *pairs, *(f"^{gram}" for gram in sorted(grams)), f"~{pattern(name)}")
    ]


def metadata_tokens(graph: Graph, hidden: frozenset[str], masks: Mapping[str, Callable[[str], bool]]) -> CsrLists:
    """Return the words of tags, cards and other attributes, without those that state the target.

    Args:
        graph: The graph.
        hidden: Attributes that are left out.
        masks: Which words of a column state the target, by its name.
    """
    entries: list[tuple[Integers, Integers]] = []
    for name, column in graph.columns.items():
        if name in hidden:
            continue
        numbers = np.array([hash_bucket(f"{name}:{value}") for value in column.categories], np.int64)
        rows, values = column.codes.rows, column.codes.values
        if name in masks:
            keep = np.array([not masks[name](value) for value in column.categories], bool)[values]
            rows, values = rows[keep], values[keep]
        entries.append((rows, numbers[values] if len(values) else values))
    rows = np.concatenate([entry[0] for entry in entries])
    values = np.concatenate([entry[1] for entry in entries])
    order = np.argsort(rows, kind="stable")
    return csr_lists(len(graph), rows[order], values[order])
