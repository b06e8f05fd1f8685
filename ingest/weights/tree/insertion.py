"""Greedy insertion, the oldest model first, then local search: each model is moved to its likeliest parent.

A move is a subtree prune and regraft, as in the search for phylogenetic trees: the model moves with its descendants.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.tree.family_state import FamilyState, known_parents, permutations_of
from ingest.weights.tree.incremental_tree import IncrementalTree, ParentChoice
from ingest.weights.tree.parent_features import parent_features


def insert_all(family: FamilyState, tree: IncrementalTree) -> None:
    """Insert all candidate parents of a family into its tree, then reinsert them until no parent changes.

    Args:
        family: The family.
        tree: Its tree, which is filled.
    """
    relations = family.relations
    rows = relations.candidate_parents() or [row for row, first in enumerate(relations.duplicate_of) if first == row]
    waiting = _insertion_order(family, rows)
    while waiting:
        ready = (row for row in waiting if all(parent in tree.rows for parent in known_parents(family, row)))
        row = next(ready, waiting[0])
        waiting.remove(row)
        known = [parent for parent in known_parents(family, row) if parent in tree.rows]
        choice = None if known else best_parent(family, tree, row)
        if choice is not None:
            tree.choices[row] = choice
        tree.add(row, known[0] if known else choice.parent if choice else None)
    for _ in range(TREE.max_sweeps):
        if not reinsert_all(family, tree):
            break


def reinsert_all(family: FamilyState, tree: IncrementalTree) -> bool:
    """Move all models whose parents are looked for to their likeliest parents; return whether any parent changed.

    Args:
        family: The family.
        tree: Its tree.
    """
    return any([reinsert(family, tree, row) for row in list(tree.choices) if family.samples.is_child[row]])


def _insertion_order(family: FamilyState, rows: list[int]) -> list[int]:
    """Return rows by expected number of models that they came before, the greatest first.

    The first becomes the root, so it must not be younger than its nearest model, nor have known parents. A descendant
    of a merge seems to be older than the merge's parents, but not older than the merge.
    """
    log_odds = family.precedence_log_odds[np.ix_(rows, rows)]
    sq_distance = family.samples.sq_distance[np.ix_(rows, rows)] + np.diag(np.full(len(rows), np.inf))
    order = np.argsort(-np.tanh(log_odds / 2).sum(1), kind="stable").tolist()
    nearest = np.argmin(sq_distance, 1)
    possible = (at for at in order if log_odds[nearest[at], at] <= 0 and not known_parents(family, rows[at]))
    first = next(possible, order[0])
    return [rows[at] for at in (first, *(at for at in order if at != first))]


def reinsert(family: FamilyState, tree: IncrementalTree, row: int) -> bool:
    """Move a model, with its descendants, to its likeliest parent; return whether that changed.

    Args:
        family: The family.
        tree: Its tree.
        row: A model in the tree.
    """
    if tree.evaluated.get(row) == tree.version:
        # Nothing changed since. The order of choices is that of their evaluation.
        tree.choices[row] = tree.choices.pop(row)
        return False
    choice = best_parent(family, tree, row)
    if choice is None:
        return False
    is_moved = choice.parent != int(tree.residual_base[row])
    tree.move_subtree(row, choice.parent, choice)
    if not is_moved:
        tree.evaluated[row] = tree.version
    return is_moved


def best_parent(family: FamilyState, tree: IncrementalTree, row: int) -> ParentChoice | None:
    """Return the likeliest parent of a model among the eligible ones in the tree, None where there are none.

    Args:
        family: The family.
        tree: Its tree.
        row: The model.
    """
    candidates = _eligible_parents(family, tree, row)
    return tree.choose_parent(row, candidates, parent_features(family, row, candidates)) if candidates else None


def parent_probabilities(family: FamilyState, tree: IncrementalTree, row: int) -> tuple[list[int], Doubles]:
    """Return the eligible parents of a model, and the probability of each, shape (candidates,).

    Args:
        family: The family.
        tree: Its tree.
        row: The model.
    """
    candidates = _eligible_parents(family, tree, row)
    if not candidates:
        return candidates, np.empty(0)
    return candidates, tree.probabilities(row, candidates, parent_features(family, row, candidates))[0]


def _eligible_parents(family: FamilyState, tree: IncrementalTree, row: int) -> list[int]:
    """Return the related models in the tree that are no descendants of a model.

    Those in the model's own permutation alone, where there are any.
    """
    descendants, samples = tree.descendants(row), family.samples
    candidates = [
        other
        for other in tree.rows
        if other != row and other not in descendants and samples.cosine[row, other] > SAMPLE.min_related_cosine
    ]
    permutation = samples.permutation_id[row]
    if permutation:
        candidates = [other for other in candidates if permutation in permutations_of(family, other)] or candidates
    return candidates
