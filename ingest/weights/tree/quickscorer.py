"""QuickScorer: an ensemble of small regression trees scored by bit masks (Lucchese et al., SIGIR 2015)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Bytes, Doubles

MAX_LEAVES = 8
"""Leaves of a tree at most: one bit each in a byte."""
ALL_LEAVES = 2**MAX_LEAVES - 1
LOWEST_BIT = np.array([(bits & -bits).bit_length() - 1 for bits in range(ALL_LEAVES + 1)])
"""Lowest bit that is set, of every set of leaves, shape (256,)."""
TreeNodes = tuple[list[int], list[float], list[int], list[int], list[float]]
"""Feature, threshold, left and right child (0 at leaves) and value of each node, the root first."""


class QuickScorer(NamedTuple):
    """Boosted regression trees, scored without walking down them.

    A feature above a node's threshold excludes the leaves to the node's left. The lowest leaf that no node excludes is
    the one where a walk would end. A larger value excludes all that a smaller one does. So one table a feature, indexed
    by the number of thresholds below the value, holds the leaves that are left.

    Attributes:
        features: Features that inner nodes compare, shape (f,).
        thresholds: Sorted thresholds of each feature, f arrays of shape (t,); values up to one go left.
        masks: Leaves that are left, a bit each, f arrays of shape (t + 1, trees).
        leaf_values: Values of the leaves, from the left, shape (trees, MAX_LEAVES).
    """

    features: tuple[int, ...]
    thresholds: tuple[Doubles, ...]
    masks: tuple[Bytes, ...]
    leaf_values: Doubles

    def score(self, rows: Doubles) -> Doubles:
        """Return the sum of all trees' leaf values.

        Args:
            rows: Features, shape (n, columns).

        Returns:
            Scores, shape (n,).
        """
        trees = len(self.leaf_values)
        leaves = np.full((len(rows), trees), ALL_LEAVES, np.uint8)
        for feature, thresholds, masks in zip(self.features, self.thresholds, self.masks, strict=True):
            leaves &= masks.take(thresholds.searchsorted(rows[:, feature]), 0)
        return np.asarray(self.leaf_values.take(np.arange(trees) * MAX_LEAVES + LOWEST_BIT.take(leaves)).sum(1))


def compile_trees(trees: Sequence[TreeNodes]) -> QuickScorer:
    """Return trees with at most `MAX_LEAVES` leaves each as tables of thresholds and bit masks."""
    by_feature: dict[int, list[tuple[float, int, int]]] = defaultdict(list)
    leaf_values = np.zeros((len(trees), MAX_LEAVES))
    for tree, (features, thresholds, left, right, values) in enumerate(trees):
        leaves = _leaves_below(left, right, 0)
        leaf_values[tree, : len(leaves)] = [values[leaf] for leaf in leaves]
        for node in (node for node, child in enumerate(left) if child):
            excluded = sum(1 << leaves.index(leaf) for leaf in _leaves_below(left, right, left[node]))
            by_feature[features[node]].append((thresholds[node], tree, ALL_LEAVES - excluded))
    bounds, masks = [], []
    for nodes in by_feature.values():
        nodes.sort()
        bounds.append(np.array([threshold for threshold, _, _ in nodes]))
        table = np.full((len(nodes) + 1, len(leaf_values)), ALL_LEAVES, np.uint8)
        for place, (_, tree, left_over) in enumerate(nodes, 1):
            table[place, tree] = left_over
        masks.append(np.bitwise_and.accumulate(table, 0))
    return QuickScorer(tuple(by_feature), tuple(bounds), tuple(masks), leaf_values)


def _leaves_below(left: Sequence[int], right: Sequence[int], node: int) -> list[int]:
    """Return the leaves below a node, from the left."""
    if not left[node]:
        return [node]
    return [*_leaves_below(left, right, left[node]), *_leaves_below(left, right, right[node])]
