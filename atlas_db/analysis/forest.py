"""Forest of primary parents: generations, families, sub-tree sizes and depth-first order, one level at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Flags, Integers


class Forest(NamedTuple):
    """Each model under its most probable parent.

    Attributes:
        parent: Row of the most probable parent, -1 for roots, shape (n,).
        depth: Generation: steps to the root, shape (n,).
        root: Row of the family's root, shape (n,).
        size: Models in the sub-tree, the model itself included, shape (n,).
        order: Rows in depth-first pre-order, shape (n,). Families of two and more come first, then single models.
    """

    parent: Integers
    depth: Integers
    root: Integers
    size: Integers
    order: Integers

    def levels(self) -> list[Integers]:
        """Return the rows of each generation, roots first."""
        by_depth = np.argsort(self.depth, kind="stable")
        ends = np.cumsum(np.bincount(self.depth))
        return np.split(by_depth, ends[:-1])

    @property
    def linked(self) -> Flags:
        """True for models in families of two or more, shape (n,)."""
        return np.asarray(self.size[self.root] > 1)

    def largest(self, top: int) -> Integers:
        """Return the roots of the largest families, the largest first; single models are no family."""
        heads = np.flatnonzero((self.parent < 0) & (self.size > 1))
        return heads[np.argsort(-self.size[heads], kind="stable")][:top]

    @property
    def position(self) -> Integers:
        """Position of each row in `order`, shape (n,)."""
        out = np.empty_like(self.order)
        out[self.order] = np.arange(len(self.order))
        return out


def build_forest(parent: Integers, rank: Integers) -> Forest:
    """Return the forest of primary parents.

    Args:
        parent: Row of the primary parent, -1 for roots; no cycles, shape (n,).
        rank: Order among siblings and among families, a permutation, shape (n,).

    Raises:
        ValueError: Some models lie on a cycle.
    """
    models = len(parent)
    children = np.lexsort((rank, parent))
    children = children[np.searchsorted(parent[children], 0) :]
    starts = np.searchsorted(parent[children], np.arange(models + 1))
    depth = np.full(models, -1, np.int64)
    root = np.arange(models)
    frontier = np.flatnonzero(parent < 0)
    levels: list[Integers] = []
    while len(frontier):
        depth[frontier] = len(levels)
        levels.append(frontier)
        counts = starts[frontier + 1] - starts[frontier]
        heads = np.repeat(starts[frontier] - np.concatenate(([0], np.cumsum(counts)[:-1])), counts)
        next_level = children[heads + np.arange(counts.sum())]
        root[next_level] = root[parent[next_level]]
        frontier = next_level
    if (depth < 0).any():
        raise ValueError("the parents form a cycle")
    size = np.ones(models, np.int64)
    for level in reversed(levels[1:]):
        np.add.at(size, parent[level], size[level])
    return Forest(parent, depth, root, size, _preorder(parent, rank, size, children, levels))


def _preorder(parent: Integers, rank: Integers, size: Integers, children: Integers, levels: list[Integers]) -> Integers:
    """Return the rows in pre-order: a child comes after its parent and after the sub-trees of earlier siblings."""
    position = np.zeros(len(parent), np.int64)
    roots = levels[0] if levels else np.zeros(0, np.int64)
    roots = roots[np.lexsort((rank[roots], size[roots] == 1))]
    position[roots] = np.cumsum(size[roots]) - size[roots]
    before = np.cumsum(size[children]) - size[children]
    heads = (
        np.flatnonzero(np.concatenate(([True], np.diff(parent[children]) != 0)))
        if len(children)
        else np.zeros(0, np.int64)
    )
    first = np.repeat(before[heads], np.diff(np.concatenate((heads, [len(children)]))))
    elder = np.zeros(len(parent), np.int64)
    elder[children] = before - first
    for level in levels[1:]:
        position[level] = position[parent[level]] + 1 + elder[level]
    order = np.empty(len(parent), np.int64)
    order[position] = np.arange(len(parent))
    return order
