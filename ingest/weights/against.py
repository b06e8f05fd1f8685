"""What speaks against a parent beside the traces: sizes, ranks, tensors left alone, the step that a cast makes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingest.weights.casts import from_cast
from ingest.weights.family import Doubles
from ingest.weights.kin import Family
from ingest.weights.odds import chance, chances
from ingest.weights.unmet import ahead

RESIZED_PENALTY = 4.0
"""Log-odds against a parent with another number of elements: only a resized vocabulary explains it."""
RANK_PENALTY, MOST_RANKS = 1.0, 6
"""Log-odds against a parent for each rank that another one is nearer, and ranks that count (seeds 301 to 404)."""
CAST_PENALTY = 6.0
"""Most log-odds for a model or its cast, whichever the step between the two speaks against."""
KEPT_PENALTY = 6.0
"""Log-odds against a parent that lacks tensors which another model and the child have alike (seeds 407 to 409)."""

UNMET_PENALTY, UNMET_SURE = 6.0, 3.0
"""Most log-odds against a parent that has fewer rows than another of the words that the child's training never met, and
from how many standard deviations on (seeds 500, 501, 506 to 508: of rivals 681 are so far behind parents, 2 ahead)."""


def against(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Return log-odds against each of some models as a parent of another, shape (n,)."""
    resized = np.array([family.prints[other].elements != family.prints[row].elements for other in able], float)
    told = resized * RESIZED_PENALTY + _by_rank(family, row, able) + _by_kept(family, row, able)
    return np.asarray(told + _by_unmet(family, row, able) + _by_cast(family, row, able))


def _by_rank(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against models further than the least rank, as far as the one of the least rank came before, shape (n,).

    Two models that differ by a low rank are parent and child, whoever is which.
    """
    ranks, out = np.full(len(able), np.nan), np.zeros(len(able))
    for place in np.flatnonzero(family.close[row, able]).tolist():
        ranks[place] = family.rank(row, able[place])
    low = ~np.isnan(ranks)
    if low.any():
        nearest = np.flatnonzero(low)[np.argmin(ranks[low])]
        out[low] = np.minimum(ranks[low] - ranks[nearest], MOST_RANKS) * RANK_PENALTY
        out[~low] = MOST_RANKS * RANK_PENALTY
        out *= _came_before(family, able[nearest], row)
    return out


def _by_kept(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against models that lack tensors which another has like the child, as far as that one came before it."""
    kept = family.kept[row, able]
    most = able[int(np.argmax(kept))]
    return np.asarray((kept < kept.max()) * KEPT_PENALTY * _came_before(family, most, row))


def _by_unmet(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against models that another is ahead of by rows of words, as far as that one came before the child.

    What is ahead may as well be a child of the child, which has as many rows: then nothing speaks against the others.
    """
    bits = family.unmet[row, able]
    if not bits.any():
        return np.zeros(len(able))
    further = np.clip(ahead(bits) / UNMET_SURE, 0, 1) ** 2
    before = chances(family.older[able, row])
    return np.asarray(-np.log((1 - before[:, None] * (1 - np.exp(-UNMET_PENALTY * further))).min(0)))


def _by_cast(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against casts whose step the model has not made, and against models whose cast's step it has."""
    out, place = np.zeros(len(able)), {other: at for at, other in enumerate(able)}
    for other, at in place.items():
        original, copy = family.copies.get(other, (-1, None))
        if copy is not None and copy.kind == "cast" and original in place:
            odds = min(max(from_cast(family.vectors, row, original, other), -CAST_PENALTY), CAST_PENALTY)
            out[at] = max(out[at], -odds)
            out[place[original]] = max(out[place[original]], odds)
    return out


def _came_before(family: Family, first: int, then: int) -> float:
    """Probability that one model came before another."""
    return chance(float(family.older[first, then]))
