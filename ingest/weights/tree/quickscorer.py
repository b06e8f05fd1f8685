"""QuickScorer: an ensemble of small trees scored by bit masks (Lucchese et al. 2015)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Bytes, Doubles

LEAVES = 8
"""Leaves that a tree has at most: a bit each."""


ALL_LEAVES = 2**LEAVES - 1


LOWEST_BIT = np.array([(bits & -bits).bit_length() - 1 for bits in range(ALL_LEAVES + 1)])
"""Lowest bit that is set, of every set of leaves."""


class QuickScorer(NamedTuple):
    """Boosted decision trees that are read without walking down them (QuickScorer, Lucchese et al. 2015).

    A value above a node's threshold rules out the leaves to its left; the first leaf left is where a walk would end. As
    larger values rule out all that smaller ones do, what is left is looked up by how many thresholds lie below.

    Attributes:
        features: Features that inner nodes look at.
        thresholds: Of each of these, what its nodes compare it with, ascending; values up to it go left.
        kept: Of each, the leaves of every tree that are left when so many of its thresholds lie below the value, a bit
            a leaf, shape (thresholds + 1, trees).
        value: Of each leaf, from the left, shape (trees, leaves).
    """

    features: tuple[int, ...]
    thresholds: tuple[Doubles, ...]
    kept: tuple[Bytes, ...]
    value: Doubles


TreeNodes = tuple[list[int], list[float], list[int], list[int], list[float]]
"""Feature, threshold, left and right child (0 at leaves) and value of each node, the root first."""


def load_trees(nodes_of: Sequence[TreeNodes]) -> QuickScorer:
    """Return trees with at most `LEAVES` leaves each as tables of thresholds and bit masks."""
    asked: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
    value = np.zeros((len(nodes_of), LEAVES))
    for tree, (features, thresholds, left, right, values) in enumerate(nodes_of):
        leaves = _leaves(left, right, 0)
        value[tree, : len(leaves)] = [values[leaf] for leaf in leaves]
        for node in (node for node, below in enumerate(left) if below):
            lost = sum(1 << leaves.index(leaf) for leaf in _leaves(left, right, left[node]))
            asked[features[node]].append((thresholds[node], tree, ALL_LEAVES - lost))
    bounds, kept = [], []
    for nodes in asked.values():
        nodes.sort()
        bounds.append(np.array([threshold for threshold, _, _ in nodes]))
        rules = np.full((len(nodes) + 1, len(value)), ALL_LEAVES, np.uint8)
        for place, (_, tree, left_over) in enumerate(nodes, 1):
            rules[place, tree] = left_over
        kept.append(np.bitwise_and.accumulate(rules, 0))
    return QuickScorer(tuple(asked), tuple(bounds), tuple(kept), value)


def _leaves(left: Sequence[int], right: Sequence[int], node: int) -> list[int]:
    """Return the leaves below a node, from the left."""
    return [*_leaves(left, right, left[node]), *_leaves(left, right, right[node])] if left[node] else [node]
