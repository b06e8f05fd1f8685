"""Rooting of a tree: by the direction of its steps, and by how many models lie behind each candidate.

Where a tree grew one model at a time, the likelihood of a root is proportional to its rumor centrality. That is the
number of insertion orders that start there, n! / Π (size of each subtree) (Shah and Zaman 2011, arXiv 0909.4370).
Reversing an edge multiplies that number by the models on the child's side over those on the other. So a leaf that seems
a little older than a model with many children is not taken for its parent. Nothing of this is fitted. On the Hub the
declared root has the most orders in nearly all families (`benchmarks/roots.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.tree.family_state import FamilyState, known_parents
from ingest.weights.tree.incremental_tree import IncrementalTree, log_likelihood
from ingest.weights.tree.insertion import best_parent, reinsert_all

_LIMITS = TREE.rooting


class RootCandidate(NamedTuple):
    """A model that may be the root.

    Attributes:
        row: The model.
        log_odds: Log-odds of it against the current root.
    """

    row: int
    log_odds: float


def infer_root(family: FamilyState, tree: IncrementalTree) -> None:
    """Replace the root of each tree of a family where another one makes the whole likelier.

    Args:
        family: The family.
        tree: Its tree, in which all models are reinserted below a new root.
    """
    for root in [row for row in tree.rows if tree.residual_base[row] < 0]:
        for _ in range(_LIMITS.max_moves):
            candidates = root_candidates(family, tree, root)[: _LIMITS.max_candidates]
            likely = [each for each in candidates if each.log_odds > _LIMITS.min_log_odds]
            better = next((each.row for each in likely if try_root(family, tree, root, each)), None)
            if better is None:
                break
            root = better


def root_candidates(family: FamilyState, tree: IncrementalTree, root: int) -> list[RootCandidate]:
    """Return the models that may be the root instead, the likeliest first.

    No copy, no merge and no step of clear direction lies between the current root and a candidate.

    Args:
        family: The family.
        tree: Its tree.
        root: The current root.
    """
    sizes, children = subtree_sizes(family, tree), defaultdict(list)
    for row in tree.rows:
        if not known_parents(family, row):
            children[int(tree.residual_base[row])].append(row)
    found, queue = [], [RootCandidate(root, 0.0)]
    while queue:
        parent, log_odds = queue.pop()
        below = [
            RootCandidate(row, log_odds + _reversal_log_odds(family, sizes, root, parent, row))
            for row in children[parent]
            if family.tests.precedence_by_weights[parent, row] < _LIMITS.fixed_direction_log_odds
            or _has_nearer_merge(family, parent, row)
        ]
        found += below
        queue += below
    return sorted(found, key=lambda each: -each.log_odds)


def _has_nearer_merge(family: FamilyState, row: int, other: int) -> bool:
    """Whether a merge that a model is no input of is nearer to it than another model.

    Merging averages noise out. So a descendant of a merge seems to be older than the ancestors of the merge's inputs.
    """
    sq_distance = family.samples.sq_distance[row]
    is_nearer = sq_distance < sq_distance[other]
    return any(is_nearer[at] and row not in merge.inputs for at, merge in family.relations.merges.items())


def subtree_sizes(family: FamilyState, tree: IncrementalTree) -> Counter[int]:
    """Return the number of models in each model's subtree, itself, its duplicates and quantized copies included.

    Args:
        family: The family.
        tree: Its tree.
    """
    sizes: Counter[int] = Counter()
    relations = family.relations
    for first in relations.duplicate_of:
        is_leaf = first in relations.copies and relations.is_quantized(first)
        sizes.update(path_to_root(tree, relations.copies[first][0] if is_leaf else first))
    return sizes


def path_to_root(tree: IncrementalTree, row: int) -> list[int]:
    """Return a model, its parent, and so on up to the root."""
    path = [row]
    while tree.residual_base[path[-1]] >= 0:
        path.append(int(tree.residual_base[path[-1]]))
    return path


def _reversal_log_odds(family: FamilyState, sizes: Counter[int], root: int, parent: int, row: int) -> float:
    """Return the log-odds that an edge has the reverse direction: precedence + log(behind the child / the others)."""
    precedence = family.precedence_log_odds[row, parent]
    return float(precedence + np.log(sizes[row] / (sizes[root] - sizes[row])))


def try_root(family: FamilyState, tree: IncrementalTree, root: int, candidate: RootCandidate) -> bool:
    """Make a candidate the root and keep it where all is likelier so; return whether it was kept.

    Args:
        family: The family.
        tree: Its tree, restored where the candidate is not kept.
        root: The current root.
        candidate: The candidate.
    """
    path, before = path_to_root(tree, candidate.row), tree.snapshot()
    _reverse_path(family, tree, path)
    for _ in range(TREE.max_sweeps - 1):
        if not reinsert_all(family, tree):
            break
    back = path_to_root(tree, root)
    if back[-1] == candidate.row and len(tree.choices) == len(before.choices):
        sizes, others = subtree_sizes(family, tree), tree.choices.keys() - set(path)
        edges = [(row, parent) for row, parent in pairwise(back) if not known_parents(family, row)]
        log_odds = sum(_reversal_log_odds(family, sizes, candidate.row, parent, row) for row, parent in edges)
        likelihood_before, likelihood = (
            log_likelihood(choices[row] for row in others) for choices in (before.choices, tree.choices)
        )
        # Each tree counts subtrees by its own parents. The mean of both makes the gain antisymmetric.
        if likelihood - likelihood_before + (candidate.log_odds - log_odds) / 2 > _LIMITS.min_gain:
            return True
    tree.restore(before)
    return False


def _reverse_path(family: FamilyState, tree: IncrementalTree, path: list[int]) -> None:
    """Reverse the edges from a model to the root, then reinsert the models on the way, the new root left out.

    Args:
        family: The family.
        tree: Its tree.
        path: The model, its parent, and so on up to the root.
    """
    tree.move_subtree(path[0], -1, None)
    for child, row in pairwise(path):
        tree.move_subtree(row, child, None)
    for row in path[1:]:
        choice = best_parent(family, tree, row)
        if choice is not None:
            tree.move_subtree(row, choice.parent, choice)
