"""How a family's tree grows: the oldest first, each in its likeliest place; then each place is looked at again."""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.samples.clustering import LINKED
from ingest.weights.tree.family_state import FamilyState, candidate_parents, known_parents, permutations_of
from ingest.weights.tree.incremental_tree import IncrementalTree, ParentChoice
from ingest.weights.tree.parent_features import parent_features

SWEEPS = 3


def insert_all(family: FamilyState, tree: IncrementalTree) -> None:
    """Grow the trees of all that can be parents, the oldest first; then look again at each place."""
    able = candidate_parents(family) or [
        row for row in range(len(family.fingerprints)) if family.duplicate_of[row] == row
    ]
    waiting = _insertion_order(family, able)
    while waiting:
        ready = next((row for row in waiting if all(p in tree.rows for p in known_parents(family, row))), waiting[0])
        waiting.remove(ready)
        fixed = [parent for parent in known_parents(family, ready) if parent in tree.rows]
        choice = None if fixed else best_parent(family, tree, ready)
        if choice is not None:
            tree.choices[ready] = choice
        tree.add(ready, fixed[0] if fixed else choice.parent if choice else None)
    for _ in range(SWEEPS):
        if not any([reinsert(family, tree, row) for row in list(tree.choices)]):
            break


def _insertion_order(family: FamilyState, able: list[int]) -> list[int]:
    """Return models in the order they are placed in; the first, which nothing is above, is no child of its nearest kin.

    What comes from a merge seems to be older than the merge's parents, but not than the merge.
    """
    older = family.precedence_log_odds[np.ix_(able, able)]
    away = family.sq_distance[np.ix_(able, able)] + np.diag(np.full(len(able), np.inf))
    order = np.argsort(-np.tanh(older / 2).sum(1), kind="stable").tolist()
    nearest = np.argmin(away, 1)
    free = (at for at in order if older[nearest[at], at] <= 0 and not known_parents(family, able[at]))
    first = next(free, order[0])
    return [able[at] for at in (first, *(at for at in order if at != first))]


def reinsert(family: FamilyState, tree: IncrementalTree, row: int) -> bool:
    """Place a model anew among all that do not come from it; return whether it moved."""
    choice = best_parent(family, tree, row)
    if choice is None:
        return False
    moved = choice.parent != int(tree.residual_base[row])
    tree.move_subtree(row, choice.parent, choice)
    return moved


def best_parent(family: FamilyState, tree: IncrementalTree, row: int) -> ParentChoice | None:
    """Choose a parent among relatives."""
    able = _eligible_parents(family, tree, row)
    return tree.choose_parent(row, able, parent_features(family, row, able)) if able else None


def parent_probabilities(family: FamilyState, tree: IncrementalTree, row: int) -> tuple[list[int], Doubles]:
    """Return a model's relatives that may be its parent, and the probability of each."""
    able = _eligible_parents(family, tree, row)
    return able, tree.probabilities(row, able, parent_features(family, row, able))[0] if able else np.empty(0)


def _eligible_parents(family: FamilyState, tree: IncrementalTree, row: int) -> list[int]:
    """Return relatives that do not come from a model; those whose units are in the same order, where there are any."""
    barred = tree.descendants(row)
    able = [o for o in tree.rows if o != row and o not in barred and family.cosine[row, o] > LINKED]
    if family.permutation_id[row]:
        able = [other for other in able if family.permutation_id[row] in permutations_of(family, other)] or able
    return able
