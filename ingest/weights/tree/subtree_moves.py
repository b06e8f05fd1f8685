"""Swaps of parent and child: each edge is tested in reverse.

Greedy insertion never evaluates descendants as parents. So parent p and child c are both put below the grandparent g,
and each is scored as the parent of the other. Let a = P(p is c's parent) / P(g is c's parent), and b the same with p
and c exchanged. Then the order g → p → c has weight a, g → c → p has b, and two siblings below g have 1. Pairs whose
order is clear by weights or dates are left as they are. A child of a cast is compared with the model that was cast.
"""

from __future__ import annotations

import numpy as np

from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.tree.family_state import FamilyState
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.insertion import parent_probabilities, reinsert


def swap_parent_child(family: FamilyState, tree: IncrementalTree) -> dict[int, tuple[int, float]]:
    """Swap parents and children where the reverse order is likelier.

    Args:
        family: The family.
        tree: Its tree, which is changed.

    Returns:
        For each model whose child may be its parent instead, the likeliest such child and the probability of that.
    """
    reversals: dict[int, tuple[int, float]] = {}
    for child in list(tree.choices):
        parent = _original(family, int(tree.residual_base[child]))
        if not family.samples.is_child[child] or parent not in tree.choices:
            continue
        if family.precedence_log_odds[parent, child] > TREE.fixed_order_log_odds:
            continue
        probability = _try_swap(family, tree, child, parent)
        for upper, lower in ((parent, child), (child, parent)):
            if (
                _original(family, int(tree.residual_base[lower])) == upper
                and probability > reversals.get(upper, (lower, 0.0))[1]
            ):
                reversals[upper] = lower, probability
    return reversals


def _original(family: FamilyState, row: int) -> int:
    """Return the model that a cast was made of, or that this one was made of, and so on; the model where it is none."""
    copies = family.relations.copies
    while row in copies and copies[row][1].kind == "cast":
        row = copies[row][0]
    return row


def _try_swap(family: FamilyState, tree: IncrementalTree, child: int, parent: int) -> float:
    """Swap a model and its parent where that is likelier; return the probability of the order that was not taken.

    Args:
        family: The family.
        tree: Its tree.
        child: The model.
        parent: Its parent, or the model that its parent is a cast of.
    """
    above, choice = int(tree.residual_base[child]), tree.choices[child]
    grandparent, parent_choice = int(tree.residual_base[parent]), tree.choices[parent]
    tree.move_subtree(child, grandparent, choice)
    as_it_is = _likelihood_ratio(family, tree, child, above, grandparent)
    reverse = _likelihood_ratio(family, tree, parent, child, grandparent)
    if reverse > 1 + as_it_is:
        tree.move_subtree(parent, child, parent_choice)
        for row in (child, parent):
            reinsert(family, tree, row)
        as_it_is, reverse = reverse, as_it_is
    else:
        tree.move_subtree(child, above, choice)
    return reverse / (1 + as_it_is + reverse)


def _likelihood_ratio(family: FamilyState, tree: IncrementalTree, row: int, parent: int, alternative: int) -> float:
    """Return the probability of one parent over that of another, clipped to 1e-9 … 1e9."""
    candidates, probabilities = parent_probabilities(family, tree, row)
    by_row = dict(zip(candidates, probabilities.tolist(), strict=True))
    ratio = by_row.get(parent, 0.0) / max(by_row.get(alternative, 0.0), 1e-9)
    return float(np.clip(ratio, 1e-9, 1e9))
