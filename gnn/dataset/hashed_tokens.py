"""Tokens of a model as hash buckets: of its name, owner, lineage and metadata.

Feature hashing maps each token to one of `TOKEN.buckets` numbers without a vocabulary (Weinberger et al. 2009, arXiv
0902.2206).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from threading import Lock
from typing import NamedTuple
from zlib import crc32

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import name_tokens, pattern
from atlas_db.core.arrays import CsrLists, Integers, csr_lists, join_lists, ranges, unique_sorted
from gnn.dataset.grouping_keys import nth_parent, parent_of, roots
from gnn.parameters.token_parameters import TOKEN

_GRAM_BYTES = 48
"""Leading bytes of a name that have 4-grams."""


@lru_cache(maxsize=1 << 18)
def hash_bucket(token: str) -> int:
    """Return the bucket of a token, 1 … TOKEN.buckets - 1, the same on every machine."""
    return _bucket_of_bytes(token.encode())


def _bucket_of_bytes(token: bytes) -> int:
    return 1 + crc32(token) % (TOKEN.buckets - 1)


class NameTokens:
    """Tokens of the names and owners of models, computed at the first access and then kept.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._owners = np.array([hash_bucket(f"by {name}") for name in graph.authors], np.int64)
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
        if not len(rows):
            return
        owner = self._graph.author[rows]
        owner_buckets = np.where(owner >= 0, self._owners[owner], -1) if len(self._owners) else owner
        tokens = join_lists(
            [_name_tokens([self._graph.ids[row] for row in rows.tolist()]), _one_or_none(owner_buckets)]
        )
        end = self._used + len(tokens.values)
        if end > len(self._values):
            self._values = np.resize(self._values, max(end, 2 * self._used))
        self._values[self._used : end] = tokens.values
        self._starts[rows], self._counts[rows] = self._used + tokens.indptr[:-1], tokens.counts
        self._used = end


class TokenTable:
    """Tokens of names, owners and lineage of every model.

    Args:
        graph: The graph.
        lineage: Whether tokens of the ancestors are included.
        relation: Whether the relation to the parent is included.
        names: Tokens of names and owners, where other tables use them, too; None to compute them anew.
    """

    def __init__(
        self, graph: Graph, *, lineage: bool = True, relation: bool = True, names: NameTokens | None = None
    ) -> None:
        self._names = NameTokens(graph) if names is None else names
        self._ancestors = _Ancestors.of(graph, relation=relation) if lineage else None

    def take(self, rows: Integers) -> CsrLists:
        """Return the tokens of the given rows, in that order; row -1 gets an empty list."""
        own = self._names.take(rows)
        if self._ancestors is None:
            return own
        parent_tokens = self._names.take(np.where(rows >= 0, self._ancestors.parent[rows], -1))
        # Shifted by one bucket, tokens of the parent differ from equal tokens of the child.
        shifted = parent_tokens._replace(values=1 + parent_tokens.values % (TOKEN.buckets - 1))
        lines = [_one_or_none(np.where(rows >= 0, line[rows], -1)) for line in self._ancestors.buckets]
        return join_lists([own, *lines, shifted])


class _Ancestors(NamedTuple):
    """Ancestors of every model.

    Attributes:
        parent: First parent, -1 for none, shape (n,).
        buckets: Bucket of the parent or of having none, of the second parent, of the grandparent, of the root where it
            is not the parent, and of the relation to the parent; -1 for none, shape (n,) each.
    """

    parent: Integers
    buckets: tuple[Integers, ...]

    @classmethod
    def of(cls, graph: Graph, *, relation: bool) -> _Ancestors:
        """Return the ancestors of the models of a graph, with the relation to the parent or without."""
        parent = nth_parent(graph, 0)
        root = roots(parent)
        others = nth_parent(graph, 1), parent_of(parent, parent), np.where(root != parent, root, -1)
        has_parent = parent >= 0
        bucket_of = np.full(len(graph) + 1, -1, np.int64)  # The last stands for row -1.
        for row in np.unique(np.concatenate([parent, *(other[has_parent] for other in others)])).tolist():
            if row >= 0:
                bucket_of[row] = hash_bucket(f"above {graph.ids[row]}")
        buckets = [np.where(has_parent, bucket_of[parent], hash_bucket("no parent"))]
        buckets += [np.where(has_parent, bucket_of[other], -1) for other in others]
        if relation:
            relations = np.full(len(graph), -1, np.int64)
            has = graph.parents.counts > 0
            relations[has] = graph.relations[graph.parents.indptr[:-1][has]]
            kinds, kind_of = np.unique(relations, return_inverse=True)
            kind_buckets = np.array([hash_bucket(f"as {kind}") for kind in kinds.tolist()], np.int64)
            buckets.append(np.where(has_parent, kind_buckets[kind_of], -1))
        return cls(parent, tuple(buckets))


def _one_or_none(buckets: Integers) -> CsrLists:
    """Return a list of one bucket a row, empty where it is -1."""
    is_there = buckets >= 0
    return CsrLists(buckets[is_there], np.concatenate(([0], np.cumsum(is_there))))


def _name_tokens(ids: Sequence[str]) -> CsrLists:
    """Return the buckets of each name's tokens, bigrams, digit pattern, and 4-grams of bytes."""
    names = [identifier.rpartition("/")[2] for identifier in ids]
    lists = []
    for name in names:
        tokens = name_tokens(name)
        strings = (*tokens, *(f"{a} {b}" for a, b in pairwise(tokens)), f"~{pattern(name)}")
        lists.append([hash_bucket(token) for token in strings])
    counts = np.array([len(each) for each in lists], np.int64)
    values = np.fromiter(chain.from_iterable(lists), np.int64, int(counts.sum()))
    return join_lists([CsrLists(values, np.concatenate(([0], np.cumsum(counts)))), _four_grams(names)])


def _four_grams(names: Sequence[str]) -> CsrLists:
    """Return the buckets of the different 4-grams of bytes of each lower-case name, with its start and end marked."""
    texts = [b"<%b>" % name.lower().encode()[:_GRAM_BYTES] for name in names]
    lengths = np.array([len(text) for text in texts], np.int64)
    data = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64)
    counts = np.maximum(lengths - 3, 0)
    start = ranges(np.cumsum(lengths) - lengths, counts)
    gram = data[start] << 24 | data[start + 1] << 16 | data[start + 2] << 8 | data[start + 3]
    keys = unique_sorted(np.repeat(np.arange(len(names)), counts) << 32 | gram)
    grams, gram_of = np.unique(keys & 0xFFFFFFFF, return_inverse=True)
    buckets = np.array([_bucket_of_bytes(b"^" + number.to_bytes(4, "big")) for number in grams.tolist()], np.int64)
    return csr_lists(len(names), keys >> 32, buckets[gram_of])


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
