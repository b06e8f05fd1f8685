"""Which model is the root? The direction of the steps away from it says so, and how many models lie behind each.

Of a tree that grew by one model at a time, each made of any before it, a model is likelier to be the root the more
orders of growth start there: n! over the product of the sizes of all subtrees (Shah and Zaman 2011, "Rumors in a
network: who's the culprit?"). To turn an edge round multiplies that by the models on the child's side over the others.
So a leaf that seems a little older than a hub is not taken for the hub's parent. Nothing of this is fitted; on the Hub
the root that is declared has the most orders in nearly all families (`benchmarks/roots.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ingest.weights.tree.family_state import FamilyState, is_quantized, known_parents
from ingest.weights.tree.incremental_tree import IncrementalTree, log_likelihood
from ingest.weights.tree.insertion import SWEEPS, best_parent, reinsert

TRIED, LEAST, MOST = 4, -3.0, 5
"""Models that are tried as the root of one tree, and the log-odds from which on; roots made one after the other."""
GAIN = 0.25
"""What the log-likelihood of all other places and the log-odds of the root must gain (seeds 444 to 455, 602 to 605)."""


CLEAR = 3.0
"""Log-odds by weights alone from which the direction of a step stands, whatever dates and numbers say."""


class RootCandidate(NamedTuple):
    """A model that may be the root.

    Attributes:
        row: The model.
        odds: Log-odds of it against the root there is.
    """

    row: int
    log_odds: float


def infer_root(family: FamilyState, tree: IncrementalTree) -> None:
    """Make another model the root of a tree where all is likelier so, all models placed anew."""
    for root in [row for row in tree.rows if tree.residual_base[row] < 0]:
        for _ in range(MOST):
            tried = [each for each in root_candidates(family, tree, root)[:TRIED] if each.log_odds > LEAST]
            found = next((each.row for each in tried if try_root(family, tree, root, each)), None)
            if found is None:
                break
            root = found


def root_candidates(family: FamilyState, tree: IncrementalTree, root: int) -> list[RootCandidate]:
    """Return models below a root that may be it, the likeliest first: no copy, merge or clear step lies between."""
    sizes, children = subtree_sizes(family, tree), defaultdict(list)
    for row in tree.rows:
        if not known_parents(family, row):
            children[int(tree.residual_base[row])].append(row)
    found, queue = [], [RootCandidate(root, 0.0)]
    while queue:
        above, odds = queue.pop()
        below = [
            RootCandidate(row, odds + _reversal_log_odds(family, sizes, root, above, row))
            for row in children[above]
            if family.precedence_by_weights[above, row] < CLEAR or _has_nearer_merge(family, above, row)
        ]
        found += below
        queue += below
    return sorted(found, key=lambda each: -each.log_odds)


def _has_nearer_merge(family: FamilyState, row: int, than: int) -> bool:
    """Whether a merge is nearer to a model than another one is, and not made of it.

    Merging takes noise away: what comes from a merge seems to be older than what its parents come from.
    """
    near = family.sq_distance[row] < family.sq_distance[row, than]
    return any(near[merge] and row not in found.inputs for merge, found in family.merges.items())


def subtree_sizes(family: FamilyState, tree: IncrementalTree) -> Counter[int]:
    """Return how many models, copies and quantized ones among them, come from each of a tree, itself counted."""
    sizes: Counter[int] = Counter()
    for first in family.duplicate_of:
        at = family.copies[first][0] if first in family.copies and is_quantized(family, first) else first
        sizes.update(path_to_root(tree, at))
    return sizes


def path_to_root(tree: IncrementalTree, row: int) -> list[int]:
    """Return a model, its parent, and so on up to the root."""
    path = [row]
    while tree.residual_base[path[-1]] >= 0:
        path.append(int(tree.residual_base[path[-1]]))
    return path


def _reversal_log_odds(family: FamilyState, sizes: Counter[int], root: int, above: int, row: int) -> float:
    """Log-odds of the edge from a model to the one above it being the other way round."""
    return float(family.precedence_log_odds[row, above] + np.log(sizes[row] / (sizes[root] - sizes[row])))


def try_root(family: FamilyState, tree: IncrementalTree, root: int, candidate: RootCandidate) -> bool:
    """Make a candidate the root, if all is likelier so; return whether it is."""
    path, before = path_to_root(tree, candidate.row), tree.snapshot()
    tree.move_subtree(candidate.row, -1, None)
    for below, row in pairwise(path):
        tree.move_subtree(row, below, None)
    for row in path[1:]:
        choice = best_parent(family, tree, row)
        if choice is not None:
            tree.move_subtree(row, choice.parent, choice)
    for _ in range(SWEEPS - 1):
        if not any([reinsert(family, tree, row) for row in list(tree.choices)]):
            break
    back = path_to_root(tree, root)
    if back[-1] == candidate.row and len(tree.choices) == len(before.choices):
        sizes, others = subtree_sizes(family, tree), tree.choices.keys() - set(path)
        steps = [(row, above) for row, above in pairwise(back) if not known_parents(family, row)]
        odds = sum(_reversal_log_odds(family, sizes, candidate.row, above, row) for row, above in steps)
        then, now = (log_likelihood(choices[row] for row in others) for choices in (before.choices, tree.choices))
        # Each tree counts what lies where by its own places; by their mean, what is gained one way is lost the other.
        if now - then + (candidate.log_odds - odds) / 2 > GAIN:
            return True
    tree.restore(before)
    return False
