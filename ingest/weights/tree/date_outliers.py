"""Whose date is wrong? A model dated after much that, by the weights, was made of it, is charted without its date, too.

One wrong date of a root or of a model with many children costs more than its own edge: each child stands against it,
and merges that need it are not looked for. So the family is charted with and without that date, and the chart without
it is kept where it explains more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from ingest.weights.tree.family_state import LATER_PENALTY, FamilyState, candidate_parents, known_parents, with_dates
from ingest.weights.tree.incremental_tree import IncrementalTree, log_likelihood

CLEAR, FEWEST = 2.0, 2
"""Log-odds by weights from which a model clearly came before another, and how many such are dated before it."""
MOST_EACH, LEAST = 4.0, 10.0
"""Log-odds that one other model adds at most, and their sum from which a date is doubted (seeds 444 to 446)."""
NEAREST, BEFORE = 5, -1.5
"""Nearest models, and the log-odds below which one of them may be the parent that a model's date allows."""
TRIED = 2
"""Dates of a family that are tried."""
GAIN = LATER_PENALTY + 1.0
"""What all log-likelihoods must gain where no further merge is found: wrong dates are rare (seeds 444 to 446, 482)."""


def suspect_dates(family: FamilyState) -> Sequence[int]:
    """Return the rows whose dates are doubted most, at most so many; copies and merges, which look old, left out.

    They came before many that are dated before them, and none of their nearest that are dated so came before them.
    """
    able = np.array([row for row in candidate_parents(family) if not known_parents(family, row)], np.int64)
    dates = np.array(family.dates)
    earlier = (dates[None] < dates[:, None]) & (dates != "")[None] & (dates != "")[:, None]
    clear = ((family.precedence_by_weights > CLEAR) & earlier).sum(1)
    sums = (np.clip(family.precedence_by_weights, -MOST_EACH, MOST_EACH) * earlier).sum(1)
    found = []
    for row in able[(clear[able] >= FEWEST) & (sums[able] >= LEAST)].tolist():
        near = able[np.argsort(family.sq_distance[row, able], kind="stable")][1 : NEAREST + 1]
        if not (earlier[row, near] & (family.precedence_by_weights[row, near] < BEFORE)).any():
            found.append(row)
    return sorted(found, key=lambda row: -float(sums[row]))[:TRIED]


def without_dates(family: FamilyState, rows: Collection[int]) -> FamilyState:
    """Return the family as it was assembled, without the dates of some models."""
    dates = ["" if row in rows else date for row, date in enumerate(family.dates)]
    return with_dates(replace(family, duplicate_of=[], quantization=[], copies={}, merges={}, alternatives={}), dates)


def improves_likelihood(tree: IncrementalTree, than: IncrementalTree) -> bool:
    """Whether a tree explains more than another of the same models: by another merge, or by likelier places."""
    if len(tree.merges) != len(than.merges):
        return len(tree.merges) > len(than.merges)
    gain = log_likelihood(tree.choices.values()) - log_likelihood(than.choices.values())
    return len(tree.choices) == len(than.choices) and gain > GAIN
