"""How sure is the order of three in a line? Grandparent, parent and child are weighed with the last two swapped.

A model's place is chosen among all that do not come from it, so what was put below it is never asked whether it is the
parent instead. Where neither weights nor dates clearly say which of the two came first, both are put below the
grandparent, and there each is asked how much likelier the other is as a parent than the grandparent.
"""

from __future__ import annotations

import numpy as np

from ingest.weights.growing import likelihoods
from ingest.weights.kin import Family
from ingest.weights.tree import Choice, Tree

CLEAR = 3.0
"""Log-odds, by weights and dates, from which the order of two models is not asked again."""


def swaps(family: Family, tree: Tree) -> dict[int, tuple[int, float]]:
    """Return for each model whose child may be its parent instead that child, the likeliest, and the probability."""
    found: dict[int, tuple[int, float]] = {}
    for child, choice in list(tree.choices.items()):
        parent = int(tree.bases[child])
        if parent not in tree.choices or family.older[parent, child] > CLEAR:
            continue
        chance = _swapped(family, tree, child, choice)
        if chance > found.get(parent, (child, 0.0))[1]:
            found[parent] = child, chance
    return found


def _swapped(family: Family, tree: Tree, child: int, choice: Choice) -> float:
    """Return the probability that a model's parent comes from it, and it from its grandparent."""
    parent = int(tree.bases[child])
    top = int(tree.bases[parent])
    tree.settle(child, top, choice)
    ahead = [_over(family, tree, row, other, top) for row, other in ((child, parent), (parent, child))]
    tree.settle(child, parent, choice)
    return ahead[1] / (1 + sum(ahead))


def _over(family: Family, tree: Tree, row: int, other: int, than: int) -> float:
    """Return how many times likelier one model is as the parent of another than a third."""
    able, chances = likelihoods(family, tree, row)
    told = dict(zip(able, chances.tolist(), strict=True))
    return float(np.clip(told.get(other, 0.0) / max(told.get(than, 0.0), 1e-9), 1e-9, 1e9))
