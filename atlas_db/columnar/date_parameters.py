"""The tuned constant of dates that are not known."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter


@dataclass(frozen=True, slots=True)
class DateParameters:
    """Times of models whose date was not recorded.

    Attributes:
        undated_spread: Days before the Hub's first date over which such models are spread.
    """

    undated_spread: float = parameter(730.0, "days", "chosen: two years; no search is recorded")


DATE = DateParameters()
