"""Who is in between? Of three in a line the last two are swapped where that is likelier, else told how likely it is.

A model's place is chosen among all that do not come from it, so what was put below it is never asked whether it is the
parent instead. Where neither weights nor dates clearly say which of the two came first, both are put below the
grandparent, and there each is asked how much likelier the other is as a parent than the grandparent.
"""

from __future__ import annotations

import numpy as np

from ingest.weights.tree.family_state import FamilyState
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.insertion import parent_probabilities, reinsert

CLEAR = 3.0
"""Log-odds, by weights and dates, from which the order of two models is not asked again."""


def swap_parent_child(family: FamilyState, tree: IncrementalTree) -> dict[int, tuple[int, float]]:
    """Swap what is likelier the other way round, and tell how likely the rest is.

    Returns:
        For each model whose child may be its parent instead that child, the likeliest, and the probability.
    """
    found: dict[int, tuple[int, float]] = {}
    for child in list(tree.choices):
        parent = int(tree.residual_base[child])
        if parent not in tree.choices or family.precedence_log_odds[parent, child] > CLEAR:
            continue
        chance = _try_swap(family, tree, child)
        for above, below in ((parent, child), (child, parent)):
            if tree.residual_base[below] == above and chance > found.get(above, (below, 0.0))[1]:
                found[above] = below, chance
    return found


def _try_swap(family: FamilyState, tree: IncrementalTree, child: int) -> float:
    """Put a model above its parent where that is likelier; return the probability that it should be the other way."""
    parent, choice = int(tree.residual_base[child]), tree.choices[child]
    top, above = int(tree.residual_base[parent]), tree.choices[parent]
    tree.move_subtree(child, top, choice)
    ahead, behind = (
        _likelihood_ratio(family, tree, row, other, top) for row, other in ((child, parent), (parent, child))
    )
    if behind > 1 + ahead:
        tree.move_subtree(parent, child, above)
        for row in (child, parent):
            reinsert(family, tree, row)
        ahead, behind = behind, ahead
    else:
        tree.move_subtree(child, parent, choice)
    return behind / (1 + ahead + behind)


def _likelihood_ratio(family: FamilyState, tree: IncrementalTree, row: int, other: int, than: int) -> float:
    """Return how many times likelier one model is as the parent of another than a third."""
    able, chances = parent_probabilities(family, tree, row)
    told = dict(zip(able, chances.tolist(), strict=True))
    return float(np.clip(told.get(other, 0.0) / max(told.get(than, 0.0), 1e-9), 1e-9, 1e9))
