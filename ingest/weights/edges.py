"""What a chart is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atlas_db.terms import Relation
from ingest.weights.fingerprint import Fingerprint

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


def family_of(prints: Sequence[Fingerprint], edges: Sequence[Edge]) -> dict[str, str]:
    """Return the family of each model: the top of the chain of its surest parents; adapters without one have none."""
    parent: dict[str, tuple[float, str]] = {}
    for edge in edges:
        if edge.child not in parent or edge.confidence > parent[edge.child][0]:
            parent[edge.child] = (edge.confidence, edge.parent)

    def top(model: str) -> str:
        seen = {model}
        while model in parent and parent[model][1] not in seen:
            model = parent[model][1]
            seen.add(model)
        return model

    return {item.id: top(item.id) for item in prints if not item.adapter or item.id in parent} | {
        item.id: "" for item in prints if item.adapter and item.id not in parent
    }
