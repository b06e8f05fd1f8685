"""The original among exact duplicates, inferred from the dates and permutations of its parents and children.

The other duplicates and all children came after the original. So a duplicate dated later than one of them has a wrong
date, or is not the original. Where all duplicates are dated after the children, the original has the wrong date, and
the order of the dates is little evidence.

A duplicate without a date contradicts nothing. But under exchangeability P(a given duplicate is older than k others) is
1 / (k + 1). So the more models the oldest dated one precedes, the likelier it is the original.

Children share the permutation of the duplicate that they were trained from, mostly the original. So a duplicate in
another permutation than its parents is not the original. A child that precedes all duplicates in its own permutation
shows that their dates are wrong.

Models are published as safetensors and converted to GGUF and ONNX, hardly ever back. So of equal models, one that is
not converted is the likelier original. Of models that are equal but for the number of neurons, it is the widest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.tree.family_state import FamilyState, duplicate_sort_key, known_parents, permutations_of
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.scorer import softmax

_LIMITS = TREE.duplicates
_CONVERTED = ("gguf", "onnx")
"""Formats of files that models are converted to."""


class CanonicalDuplicates(NamedTuple):
    """The canonical duplicate, the original, of each set of exact duplicates.

    Attributes:
        canonical: Row of the original, by the row that represents the set in the tree.
        penalty: Log-odds against each row's being the original, up to a constant of its set.
        confidence: Probability that the chosen row is the original, by the row that represents the set.
    """

    canonical: dict[int, int]
    penalty: dict[int, float]
    confidence: dict[int, float]


def find_canonical_duplicates(family: FamilyState, tree: IncrementalTree) -> CanonicalDuplicates:
    """Choose the original of every set of exact duplicates: the row with the smallest penalty.

    Its confidence is the softmax of the negative penalties.

    Args:
        family: The family.
        tree: Its tree.
    """
    duplicates: dict[int, list[int]] = defaultdict(list)
    for row, first in enumerate(family.relations.duplicate_of):
        duplicates[first].append(row)
    parents = {first: parents_of(family, tree, first) for first in duplicates}
    children: dict[int, list[int]] = defaultdict(list)
    for first, above in parents.items():
        for parent in above:
            children[parent].append(first)
    found = CanonicalDuplicates({}, {}, {})
    for first, rows in duplicates.items():
        penalty = _penalties(family, rows, parents[first], children[first])
        found.penalty.update(penalty)
        found.canonical[first] = min(
            rows, key=lambda row: (found.penalty[row], duplicate_sort_key(family.samples, row))
        )
        found.confidence[first] = float(softmax(-np.array([penalty[row] for row in rows])).max())
    return found


def parents_of(family: FamilyState, tree: IncrementalTree, row: int) -> list[int]:
    """Return the parents of a row that represents its duplicates in the tree, the nearest first."""
    choice = tree.choices.get(row)
    return known_parents(family, row) or ([choice.parent] if choice is not None else [])


def _penalties(
    family: FamilyState, rows: Sequence[int], parents: Sequence[int], children: Sequence[int]
) -> dict[int, float]:
    """Return log-odds against each duplicate's being the original, by dates and permutations.

    Args:
        family: The family.
        rows: The duplicates.
        parents: Their parents in the tree.
        children: Their children in the tree.
    """
    dates = {row: family.samples.dates[row] for row in (*rows, *children, *parents)}
    dates |= {row: "" for row in rows if _has_wrong_date(family, row, rows, children)}
    dated = [row for row in rows if dates[row]]
    later = [other for other in (*rows, *children) if dates[other]]
    contradictions = {
        row: {other for other in later if dates[other] < dates[row]}
        | {parent for parent in parents if dates[parent] > dates[row]}
        for row in dated
    }
    # What contradicts every dated duplicate has a wrong date itself, or all of them have.
    shared = set.intersection(*contradictions.values()) if contradictions else set()
    # A single wrong date of the original lies after all its children. It is no evidence about the duplicates.
    late = len(shared.intersection(children))
    date_penalty = TREE.date_penalty if not late else _LIMITS.late_child_penalty if late == 1 else 0.0
    penalty = _permutation_penalties(family, rows, parents, children)
    converted = {row for row in rows if family.samples.fingerprints[row].container in _CONVERTED}
    preceded, trusted = 1, set()
    for row in dated:
        if contradictions[row] <= {*shared, *rows}:
            trusted.add(row)
            if not penalty[row]:
                preceded = max(preceded, len(later) - 1 - len(contradictions[row]))
        penalty[row] += TREE.date_penalty * bool(shared) + date_penalty * bool(contradictions[row] - shared)
    if len(converted) < len(rows):
        penalty = {row: cost + _LIMITS.converted_penalty * (row in converted) for row, cost in penalty.items()}
    order = family.samples.width_order
    narrower = {row for row in rows if any(order[row, other] < 0 for other in rows)}
    penalty = {row: cost + TREE.width_log_odds * (row in narrower) for row, cost in penalty.items()}
    undated_penalty = float(np.log((preceded + 1) / 2))
    return {row: cost if row in trusted else cost + undated_penalty for row, cost in penalty.items()}


def _permutation_penalties(
    family: FamilyState, rows: Sequence[int], parents: Sequence[int], children: Sequence[int]
) -> dict[int, float]:
    """Return log-odds against each duplicate by permutation: that of no parent, or of fewer children than another's.

    Arguments are those of `_penalties`.
    """
    permutation = family.samples.permutation_id
    of_parents = set.intersection(*(permutations_of(family, parent) for parent in parents)) if parents else set()
    matching = {row: sum(permutation[child] == permutation[row] for child in children) for row in rows}
    most = max(matching.values())
    return {
        row: _LIMITS.permutation_penalty * (bool(of_parents) and permutation[row] not in of_parents)
        + _LIMITS.child_penalty * min(most - matching[row], _LIMITS.max_children)
        for row in rows
    }


def _has_wrong_date(family: FamilyState, row: int, rows: Sequence[int], children: Sequence[int]) -> bool:
    """Whether a duplicate's date is wrong: a child has its permutation, but precedes all duplicates that have it."""
    permutation, dates = family.samples.permutation_id, family.samples.dates
    matching = [other for other in rows if permutation[other] == permutation[row]]
    if len(matching) == len(rows) or any(not dates[other] for other in matching):
        return False
    first = min(dates[other] for other in matching)
    return any(dates[child] and dates[child] < first for child in children if permutation[child] == permutation[row])
