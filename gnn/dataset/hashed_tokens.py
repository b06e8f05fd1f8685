"""Tokens of a model as hash buckets: of its name, owner, lineage and metadata.

Feature hashing maps each token to one of `BUCKETS` numbers without a vocabulary (Weinberger et al. 2009, arXiv
0902.2206).
"""

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
"""Number of hash buckets; bucket 0 stands for no token."""


@lru_cache(maxsize=1 << 18)
def hash_bucket(token: str) -> int:
    """Return the bucket of a token, 1 … BUCKETS - 1, the same on every machine."""
    return 1 + crc32(token.encode()) % (BUCKETS - 1)


class TokenTable:
    """Tokens of names, owners and lineage of every model, computed at the first access and then kept.

    Args:
        graph: The graph.
        lineage: Whether tokens of the ancestors are included.
        relation: Whether the relation to the parent is included.
    """

    def __init__(self, graph: Graph, *, lineage: bool = True, relation: bool = True) -> None:
        self._graph = graph
        self._owners = [hash_bucket(f"by {name}") for name in graph.authors]
        # The tokens of a parent are needed once for each child.
        self._own_tokens = lru_cache(maxsize=1 << 14)(self._name_and_owner_tokens)
        self._ancestors = _Ancestors.of(graph) if lineage else None
        self._relation = relation
        self._starts = np.full(len(graph), -1, np.int64)
        self._counts = np.zeros(len(graph), np.int64)
        self._values = np.zeros(0, np.int32)
        self._used = 0
        # Several threads look up tokens at once.
        self._adding = Lock()

    def take(self, rows: Integers) -> CsrLists:
        """Return the tokens of the given rows, in that order; row -1 gets an empty list."""
        needed = unique_sorted(rows[rows >= 0])
        with self._adding:
            self._add(needed[self._starts[needed] < 0])
        counts = np.where(rows >= 0, self._counts[rows], 0)
        values = self._values[ranges(self._starts[rows], counts)].astype(np.int64)
        return CsrLists(values, np.concatenate(([0], np.cumsum(counts))))

    def _add(self, rows: Integers) -> None:
        """Compute and keep the tokens of rows that have none yet."""
        tokens = [self._tokens(row) for row in rows.tolist()]
        counts = np.array([len(each) for each in tokens], np.int64)
        end = self._used + int(counts.sum())
        if end > len(self._values):
            self._values = np.resize(self._values, max(end, 2 * self._used))
        self._values[self._used : end] = [token for each in tokens for token in each]
        self._starts[rows], self._counts[rows] = self._used + np.cumsum(counts) - counts, counts
        self._used = end

    def _name_and_owner_tokens(self, row: int) -> list[int]:
        owner = self._graph.author[row]
        return _name_tokens(self._graph.ids[row]) + ([self._owners[owner]] if owner >= 0 else [])

    def _tokens(self, row: int) -> list[int]:
        own = self._own_tokens(row)
        if self._ancestors is None:
            return own
        parent = int(self._ancestors.lines[0][row])
        if parent < 0:
            return [*own, hash_bucket("no parent")]
        ancestors = [line[row] for line in self._ancestors.lines]
        ancestor_ids = [hash_bucket(f"above {self._graph.ids[other]}") for other in ancestors if other >= 0]
        # Shifted by one bucket, tokens of the parent differ from equal tokens of the child.
        parent_tokens = [1 + bucket % (BUCKETS - 1) for bucket in self._own_tokens(parent)]
        relation = [hash_bucket(f"as {self._ancestors.relation[row]}")] if self._relation else []
        return [*own, *ancestor_ids, *relation, *parent_tokens]


class _Ancestors(NamedTuple):
    """Ancestors of every model.

    Attributes:
        lines: Parent, second parent, grandparent, and root where it is not the parent; -1 for none, shape (n,) each.
        relation: Relation to the parent, index into `RELATIONS`, -1 for none, shape (n,).
    """

    lines: tuple[Integers, ...]
    relation: Integers

    @classmethod
    def of(cls, graph: Graph) -> _Ancestors:
        parent = nth_parent(graph, 0)
        root = roots(parent)
        relation = np.full(len(graph), -1, np.int64)
        has = graph.parents.counts > 0
        relation[has] = graph.relations[graph.parents.indptr[:-1][has]]
        lines = parent, nth_parent(graph, 1), parent_of(parent, parent), np.where(root != parent, root, -1)
        return cls(lines, relation)


def _name_tokens(identifier: str) -> list[int]:
    """Return the buckets of a name's tokens, bigrams, character 4-grams and digit pattern."""
    name = identifier.rpartition("/")[2]
    tokens = name_tokens(name)
    bigrams = [f"{a} {b}" for a, b in pairwise(tokens)]
    lower = f"<{name.lower()[:48]}>"
    grams = {lower[at : at + 4] for at in range(len(lower) - 3)}
    return [
        hash_bucket(token)
        for token in (*tokens, *bigrams, *(f"^{gram}" for gram in sorted(grams)), f"~{pattern(name)}")
    ]


def metadata_tokens(graph: Graph, masked: frozenset[str], leakage: Mapping[str, Callable[[str], bool]]) -> CsrLists:
    """Return the tokens of tags, cards and other attributes of each model, without those that leak the target.

    Args:
        graph: The graph.
        masked: Attributes that are left out.
        leakage: Which values of a column leak the target, by the name of the column.
    """
    entries: list[tuple[Integers, Integers]] = []
    for name, column in graph.columns.items():
        if name in masked:
            continue
        buckets = np.array([hash_bucket(f"{name}:{value}") for value in column.categories], np.int64)
        rows, values = column.codes.rows, column.codes.values
        if name in leakage:
            keep = np.array([not leakage[name](value) for value in column.categories], bool)[values]
            rows, values = rows[keep], values[keep]
        entries.append((rows, buckets[values] if len(values) else values))
    rows = np.concatenate([entry[0] for entry in entries])
    values = np.concatenate([entry[1] for entry in entries])
    order = np.argsort(rows, kind="stable")
    return csr_lists(len(graph), rows[order], values[order])
