"""What speaks against a parent beside the traces: sizes, ranks, tensors left alone, the step that a cast makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.pairwise.precision_cast import from_cast
from ingest.weights.pairwise.untrained_embeddings import ahead
from ingest.weights.tree.family_state import Family
from ingest.weights.tree.scorer import chance, chances

RESIZED_PENALTY = 4.0
"""Log-odds against a parent with another number of elements, heads apart: only a resized vocabulary explains it."""
RANK_PENALTY, MOST_RANKS = 1.0, 6
"""Log-odds against a parent for each rank that another one is nearer, and ranks that count (seeds 301 to 404)."""
NOT_LOW = 20.0
"""What stands for a rank that is not low."""
CAST_PENALTY = 6.0
"""Most log-odds for a model or its cast, whichever the step between the two speaks against."""
KEPT_PENALTY = 6.0
"""Log-odds against a parent that lacks tensors which another model and the child have alike (seeds 407 to 409)."""

UNMET_PENALTY, UNMET_SURE = 6.0, 3.0
"""Most log-odds against a parent that has fewer rows than another of the words that the child's training never met, and
from how many standard deviations on (seeds 500, 501, 506 to 508: of rivals 681 are so far behind parents, 2 ahead)."""


def beside(family: Family, row: int, able: Sequence[int]) -> Beside:
    """Return what tells of some models as parents of another, beside the traces.

    Returns:
        Log-odds against each: by size, rank, tensors and rows left alone, and casts. Then what these follow from: rank
        of the difference, and over the least; tensors left alone, and fewer than the most; rows of words left alone
        fewer than another's, in standard deviations; and in each part of the network the log distance over the
        nearest's.
    """
    at = np.array(able)
    resized = np.array([family.prints[other].elements != family.prints[row].elements for other in able], float)
    ranks, kept, bits = _ranks(family, row, able), family.kept[row, at], family.unmet[row, at]
    ahead_by = ahead(bits) if bits.any() else np.zeros((len(at), len(at)))
    against = (
        resized * RESIZED_PENALTY, _by_rank(family, row, able, ranks), _by_kept(family, row, able, kept),
        _by_unmet(family, row, able, ahead_by), _by_cast(family, row, able),
    )  # fmt: skip
    low, apart = np.where(np.isnan(ranks), NOT_LOW, ranks), family.by_part[row, at]
    told = (low, low - low.min(), kept, kept.max() - kept, ahead_by.max(0), apart - apart.min(0))
    return Beside(np.column_stack(against), np.column_stack(told))


def _ranks(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Return the rank of the difference to each of some models, NaN where it is not low, shape (n,)."""
    ranks = np.full(len(able), np.nan)
    for place in np.flatnonzero(family.close[row, able]).tolist():
        ranks[place] = family.rank(row, able[place])
    return ranks


def _by_rank(family: Family, row: int, able: Sequence[int], ranks: Doubles) -> Doubles:
    """Log-odds against models further than the least rank, as far as the one of the least rank came before, shape (n,).

    Two models that differ by a low rank are parent and child, whoever is which.
    """
    out, low = np.zeros(len(able)), ~np.isnan(ranks)
    if low.any():
        nearest = np.flatnonzero(low)[np.argmin(ranks[low])]
        out[low] = np.minimum(ranks[low] - ranks[nearest], MOST_RANKS) * RANK_PENALTY
        out[~low] = MOST_RANKS * RANK_PENALTY
        out *= _came_before(family, able[nearest], row)
    return out


def _by_kept(family: Family, row: int, able: Sequence[int], kept: Doubles) -> Doubles:
    """Log-odds against models that lack tensors which another has like the child, as far as that one came before it."""
    most = able[int(np.argmax(kept))]
    return np.asarray((kept < kept.max()) * KEPT_PENALTY * _came_before(family, most, row))


def _by_unmet(family: Family, row: int, able: Sequence[int], ahead_by: Doubles) -> Doubles:
    """Log-odds against models that another is ahead of by rows of words, as far as that one came before the child.

    What is ahead may as well be a child of the child, which has as many rows: then nothing speaks against the others.
    """
    if not ahead_by.any():
        return np.zeros(len(able))
    further = np.clip(ahead_by / UNMET_SURE, 0, 1) ** 2
    before = chances(family.older[able, row])
    return np.asarray(-np.log((1 - before[:, None] * (1 - np.exp(-UNMET_PENALTY * further))).min(0)))


def _by_cast(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against casts whose step the model has not made, and against models whose cast's step it has."""
    out, place = np.zeros(len(able)), {other: at for at, other in enumerate(able)}
    for other, (original, copy) in family.copies.items():
        if copy.kind == "cast" and other in place and original in place:
            odds = min(max(from_cast(family.vectors, row, original, other), -CAST_PENALTY), CAST_PENALTY)
            out[place[other]] = max(out[place[other]], -odds)
            out[place[original]] = max(out[place[original]], odds)
    return out


def _came_before(family: Family, first: int, then: int) -> float:
    """Probability that one model came before another."""
    return chance(float(family.older[first, then]))


class Beside(NamedTuple):
    """What tells parents beside the traces.

    Attributes:
        against: Log-odds against each of some models, a column a reason, shape (able, 5).
        told: What these follow from, and what else is measured, shape (able, 11).
    """

    against: Doubles
    told: Doubles
