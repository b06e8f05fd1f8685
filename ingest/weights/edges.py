"""What a chart is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atlas_db.terms import Relation

UNKNOWN_DATES = "2022-03-02T23:29:0"


@dataclass(slots=True)
class Edge:
    """One inferred edge.

    Attributes:
        child: Id.
        parent: Id.
        relation: One of the five.
        confidence: 0..1.
        evidence: What it rests on; keys by kind.
    """

    child: str
    parent: str
    relation: Relation
    confidence: float
    evidence: dict[str, Any]


def known_date(date: str) -> str:
    """Return a date, or nothing for the Hub's stand-in for unknown ones."""
    return "" if date.startswith(UNKNOWN_DATES) else date
