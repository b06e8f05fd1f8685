"""What a chart is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.files import write_whole
from atlas_db.terms import Relation
from ingest.normalise.values import hub_date
from ingest.weights.fingerprint import Fingerprint


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
    """Return a date, or nothing for the Hub's stand-in for unknown ones and for what is no date."""
    try:
        return hub_date(date) or ""
    except ValueError:
        return ""


def top(model: str, parent: Mapping[str, str]) -> str:
    """Return the end of a model's chain of parents; the last before it closes, where it is a ring."""
    seen = {model}
    while model in parent and parent[model] not in seen:
        model = parent[model]
        seen.add(model)
    return model


def family_of(prints: Sequence[Fingerprint], edges: Sequence[Edge]) -> dict[str, str]:
    """Return the family of each model: the top of the chain of its surest parents; adapters without one have none."""
    parent: dict[str, str] = {}
    for edge in sorted(edges, key=lambda edge: -edge.confidence):
        parent.setdefault(edge.child, edge.parent)
    return {item.id: top(item.id, parent) for item in prints if not item.adapter or item.id in parent} | {
        item.id: "" for item in prints if item.adapter and item.id not in parent
    }


def write_edges(edges: Sequence[Edge], out: Path) -> None:
    """Write edges as JSON lines: `child`, `parent`, `relation`, `confidence`, `evidence`."""
    write_whole(out, b"".join(msgspec.json.encode(edge) + b"\n" for edge in edges))
