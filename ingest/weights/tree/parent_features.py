"""Features and penalties of candidate parents, beyond residuals: size, rank, frozen tensors, untrained rows, casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.pairwise.precision_cast import cast_log_odds
from ingest.weights.pairwise.untrained_embeddings import lead_in_deviations
from ingest.weights.parameters.parent_parameters import PARENT
from ingest.weights.tree.family_state import FamilyState
from ingest.weights.tree.scorer import probability, sigmoid


class ParentFeatures(NamedTuple):
    """What is known of candidate parents beyond residuals.

    Attributes:
        penalties: Log-odds against each by size, rank, frozen tensors, untrained rows and casts, shape (n, 5).
        values: Measurements behind them, shape (n, 11). Two are of the rank: itself, and over the least. Two are of the
            frozen share: itself, and below the greatest. One is the untrained rows behind another candidate, in
            standard deviations. The others are the log distance over the nearest's, in each part of the network.
    """

    penalties: Doubles
    values: Doubles


def parent_features(family: FamilyState, row: int, candidates: Sequence[int]) -> ParentFeatures:
    """Return penalties and features of candidate parents.

    Args:
        family: The family.
        row: The child.
        candidates: Rows of the candidates, n of them.
    """
    at = np.array(candidates)
    size = family.samples.fingerprints[row].elements
    resized = np.array([family.samples.fingerprints[other].elements != size for other in candidates], float)
    ranks, frozen, untrained = (
        family.tests.difference_ranks.ranks(row, candidates),
        family.tests.frozen_share[row, at],
        family.tests.untrained_rows[row, at],
    )
    lead = lead_in_deviations(untrained) if untrained.any() else np.zeros((len(at), len(at)))
    penalties = (
        resized * PARENT.resized_penalty,
        _rank_penalty(family, row, candidates, ranks),
        _frozen_penalty(family, row, candidates, frozen),
        _untrained_penalty(family, row, candidates, lead),
        _cast_penalty(family, row, candidates),
    )
    capped = np.where(np.isnan(ranks), PARENT.full_rank, ranks)
    log_distance = family.tests.log_distance_by_part[row, at]
    values = (
        capped, capped - capped.min(), frozen, frozen.max() - frozen, lead.max(0), log_distance - log_distance.min(0)
    )  # fmt: skip
    return ParentFeatures(np.column_stack(penalties), np.column_stack(values))


def _rank_penalty(family: FamilyState, row: int, candidates: Sequence[int], ranks: Doubles) -> Doubles:
    """Return the penalty of candidates whose difference has a higher rank than the least, shape (n,).

    Two models that differ by a low rank are parent and child, in either order. So the penalty is weighted by the
    probability that the candidate of the least rank came before the child.
    """
    penalty, low = np.zeros(len(candidates)), ~np.isnan(ranks)
    if low.any():
        nearest = np.flatnonzero(low)[np.argmin(ranks[low])]
        penalty[low] = np.minimum(ranks[low] - ranks[nearest], PARENT.max_ranks) * PARENT.rank_penalty
        penalty[~low] = PARENT.max_ranks * PARENT.rank_penalty
        penalty *= _p_earlier(family, candidates[nearest], row)
    return penalty


def _frozen_penalty(family: FamilyState, row: int, candidates: Sequence[int], frozen: Doubles) -> Doubles:
    """Return the penalty of candidates that share fewer frozen tensors with the child than another, shape (n,).

    It is weighted by the probability that the candidate with the most came before the child.
    """
    most = candidates[int(np.argmax(frozen))]
    return np.asarray((frozen < frozen.max()) * PARENT.frozen_penalty * _p_earlier(family, most, row))


def _untrained_penalty(family: FamilyState, row: int, candidates: Sequence[int], lead: Doubles) -> Doubles:
    """Return the penalty of candidates that share fewer untrained rows with the child than another, shape (n,).

    The candidate in the lead may itself be a child of the child, with as many such rows. So the penalty is weighted by
    the probability that it came before the child: -log(1 - p (1 - exp(-penalty))).
    """
    if not lead.any():
        return np.zeros(len(candidates))
    excess = np.clip(lead / PARENT.untrained_deviations, 0, 1) ** 2
    p_earlier = sigmoid(family.precedence_log_odds[candidates, row])
    return np.asarray(-np.log((1 - p_earlier[:, None] * (1 - np.exp(-PARENT.untrained_penalty * excess))).min(0)))


def _cast_penalty(family: FamilyState, row: int, candidates: Sequence[int]) -> Doubles:
    """Return the penalty of casts whose rounding the child lacks, and of models whose cast's rounding it has."""
    penalty, place = np.zeros(len(candidates)), {other: at for at, other in enumerate(candidates)}
    for other, (original, copy) in family.relations.copies.items():
        if copy.kind == "cast" and other in place and original in place:
            log_odds = cast_log_odds(family.samples.vectors, row, original, other)
            log_odds = min(max(log_odds, -PARENT.cast_penalty), PARENT.cast_penalty)
            penalty[place[other]] = max(penalty[place[other]], -log_odds)
            penalty[place[original]] = max(penalty[place[original]], log_odds)
    return penalty


def _p_earlier(family: FamilyState, first: int, then: int) -> float:
    """Return the probability that one model came before another."""
    return probability(float(family.precedence_log_odds[first, then]))
