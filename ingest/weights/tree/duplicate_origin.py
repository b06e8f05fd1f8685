"""Which of a model's exact copies is the original? Once the tree has grown, its parents and children tell.

All came after their original: its other copies, and what was made of it. So a copy dated later than one of them has a
wrong date, or is not the original. Where all copies are later than the children, the original has the wrong date, and
which copy is older says little. Nor is one the original whose units are in another order than its parents'. A copy
without a date fits anything. Yet that a mere copy is older than all k of them happens once in k + 1 times: the more it
is older than, the likelier one with a date is the original. A model is made of a copy whose units are in its own order:
most are made of the original, and one that is older than all copies in its order says that their dates are wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ingest.weights.tree.family_state import (
    LATER_PENALTY,
    FamilyState,
    duplicate_sort_key,
    known_parents,
    permutations_of,
)
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.scorer import softmax

FRAME_PENALTY = 6.0
"""Log-odds against a copy whose units are in an order that its parents do not come in."""
CHILD_PENALTY, MOST_CHILDREN = 1.0, 4
"""Log-odds against a copy for each child that another one has more in its order, and children that count."""
ONE_LATE = 1.0
"""Log-odds for the older copy where all are later than one child, whose date may be the wrong one as well."""


class CanonicalDuplicates(NamedTuple):
    """The originals of exact copies.

    Attributes:
        of: Original of each set of exact copies, by the row that stands for the set in the tree.
        against: Log-odds against each row's being one, up to a constant of its set.
        sure: Probability that the original is one, by the row that stands for the set.
    """

    canonical: dict[int, int]
    penalty: dict[int, float]
    confidence: dict[int, float]


def find_canonical_duplicates(family: FamilyState, tree: IncrementalTree) -> CanonicalDuplicates:
    """Find the original of every set of exact copies."""
    sets: dict[int, list[int]] = defaultdict(list)
    for row, first in enumerate(family.duplicate_of):
        sets[first].append(row)
    parents = {row: parents_of(family, tree, row) for row in sets}
    children: dict[int, list[int]] = defaultdict(list)
    for row, above in parents.items():
        for parent in above:
            children[parent].append(row)
    found = CanonicalDuplicates({}, {}, {})
    for first, rows in sets.items():
        found.penalty.update(_penalties(family, rows, parents[first], children[first]))
        found.canonical[first] = min(rows, key=lambda row: (found.penalty[row], duplicate_sort_key(family, row)))
        found.confidence[first] = float(softmax(-np.array([found.penalty[row] for row in rows])).max())
    return found


def parents_of(family: FamilyState, tree: IncrementalTree, row: int) -> list[int]:
    """Return the parents of the weights that a row stands for in the tree, the nearest first."""
    choice = tree.choices.get(row)
    return known_parents(family, row) or ([choice.parent] if choice is not None else [])


def _penalties(
    family: FamilyState, rows: Sequence[int], parents: Sequence[int], children: Sequence[int]
) -> dict[int, float]:
    dates = {row: family.dates[row] for row in (*rows, *children, *parents)}
    dates |= {row: "" for row in rows if _has_wrong_date(family, row, rows, children)}
    orders = set.intersection(*(permutations_of(family, parent) for parent in parents)) if parents else set()
    dated = [row for row in rows if dates[row]]
    below = [other for other in (*rows, *children) if dates[other]]
    wrong = {
        row: {other for other in below if dates[other] < dates[row]}
        | {parent for parent in parents if dates[parent] > dates[row]}
        for row in dated
    }
    # What stands against all that have a date has a wrong one itself, or they do.
    shared = set.intersection(*wrong.values()) if wrong else set()
    # One wrong date of the original is later than all that was made of it, and says nothing of its copies.
    late = len(shared.intersection(children))
    apart = LATER_PENALTY if not late else ONE_LATE if late == 1 else 0.0
    inside = {
        row: sum(family.permutation_id[child] == family.permutation_id[row] for child in children) for row in rows
    }
    most = max(inside.values())
    against = {
        row: FRAME_PENALTY * (bool(orders) and family.permutation_id[row] not in orders)
        + CHILD_PENALTY * min(most - inside[row], MOST_CHILDREN)
        for row in rows
    }
    older, believed = 1, set()
    for row in dated:
        if wrong[row] <= {*shared, *rows}:
            believed.add(row)
            if not against[row]:
                older = max(older, len(below) - 1 - len(wrong[row]))
        against[row] += LATER_PENALTY * bool(shared) + apart * bool(wrong[row] - shared)
    undated = float(np.log((older + 1) / 2))
    return {row: cost if row in believed else cost + undated for row, cost in against.items()}


def _has_wrong_date(family: FamilyState, row: int, rows: Sequence[int], children: Sequence[int]) -> bool:
    """Whether a copy's date is wrong: a child has its units in an order that no copy had yet."""
    order, dates = family.permutation_id[row], family.dates
    alike = [other for other in rows if family.permutation_id[other] == order]
    if len(alike) == len(rows) or any(not dates[other] for other in alike):
        return False
    first = min(dates[other] for other in alike)
    return any(dates[child] and dates[child] < first for child in children if family.permutation_id[child] == order)
