"""Penalties of candidate parents, in log-odds."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class ParentParameters:
    """Log-odds against candidate parents, added to the scores of the fitted trees.

    Attributes:
        resized_penalty: Against a parent with another number of elements, heads apart: only a resized vocabulary
            explains it.
        rank_penalty: Against a parent, for each rank by which another candidate's difference is lower.
        max_ranks: Ranks that count at most.
        full_rank: Rank that stands for a difference of no low rank.
        cast_penalty: Bound on the log-odds for a model or for its cast.
        frozen_penalty: Against a parent that lacks tensors which another candidate shares with the child.
        untrained_penalty: Bound against a parent with fewer untrained rows in common with the child than another.
        untrained_deviations: Standard deviations from which that bound holds.
    """

    resized_penalty: float = parameter(4.0, "log-odds", "tuned on generated families (seeds 301 to 404)")
    rank_penalty: float = parameter(1.0, "log-odds per rank", "tuned on generated families (seeds 301 to 404)")
    max_ranks: int = parameter(6, "ranks", "tuned on generated families (seeds 301 to 404)")
    full_rank: float = parameter(20.0, "ranks", "by definition: above every rank that counts as low")
    cast_penalty: float = parameter(6.0, "log-odds", "tuned on generated families (seeds 301 to 404)")
    frozen_penalty: float = parameter(6.0, "log-odds", "tuned on generated families (seeds 407 to 409)")
    untrained_penalty: float = parameter(
        6.0,
        "log-odds",
        "generated families (seeds 500, 501, 506 to 508): 681 other candidates so far behind, 2 ahead",
    )
    untrained_deviations: float = parameter(3.0, "standard deviations", "as the bound itself (same families)")


PARENT = ParentParameters()
