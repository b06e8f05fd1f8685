"""Edges of a chart: the record, the families that they make, and the file that they are written to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.files import write_whole
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE, Relation
from atlas_db.fusion.evidence import Evidence, MergeEvidence
from ingest.normalise.values import hub_date
from ingest.weights.fingerprints.fingerprint import Fingerprint


@dataclass(slots=True)
class Edge:
    """One inferred edge.

    Attributes:
        child: Id.
        parent: Id.
        relation: One of the five.
        confidence: Probability that the parent is one, 0..1.
        evidence: What the edge rests on.
    """

    child: str
    parent: str
    relation: Relation
    confidence: float
    evidence: Evidence


def found_by(evidence: Evidence) -> str:
    """Return the test that found an edge; of a merge, its method."""
    return evidence.method if isinstance(evidence, MergeEvidence) else str(evidence.__struct_config__.tag)


def known_date(date: str) -> str:
    """Return a date; an empty string for the Hub's placeholder of unknown dates and for what is no date."""
    try:
        return hub_date(date) or ""
    except ValueError:
        return ""


def root_of(model: str, parent: Mapping[str, str]) -> str:
    """Return the end of a model's chain of parents; in a ring, the last model before it closes."""
    seen = {model}
    while model in parent and parent[model] not in seen:
        model = parent[model]
        seen.add(model)
    return model


def family_of(prints: Sequence[Fingerprint], edges: Sequence[Edge]) -> dict[str, str]:
    """Return the family of each model: the root of the chain of its most probable parents.

    An adapter without a parent has no family, an empty string.
    """
    parent: dict[str, str] = {}
    for edge in sorted(edges, key=lambda edge: -edge.confidence):
        parent.setdefault(edge.child, edge.parent)
    return {item.id: root_of(item.id, parent) for item in prints if not item.adapter or item.id in parent} | {
        item.id: "" for item in prints if item.adapter and item.id not in parent
    }


def above_threshold(edges: Sequence[Edge], min_confidence: float = MIN_CHARTED_CONFIDENCE) -> list[Edge]:
    """Return the edges of at least a confidence; the chart abstains from the others."""
    return [edge for edge in edges if edge.confidence >= min_confidence]


def family_assignments(
    prints: Sequence[Fingerprint], edges: Sequence[Edge], min_confidence: float = MIN_CHARTED_CONFIDENCE
) -> Iterator[dict[str, Any]]:
    """Yield the family of each model, and candidate parents where the chart abstains.

    Args:
        prints: Fingerprints of the charted models.
        edges: Their whole chart, edges below the threshold included.
        min_confidence: Confidence below which the chart abstains.

    Yields:
        `model`; `family`, its root, None for an adapter that fits no family; `candidates`, parents with their
        probabilities where the chart abstains.
    """
    settled = {edge.child for edge in above_threshold(edges, min_confidence)}
    candidates: dict[str, dict[str, float]] = defaultdict(dict)
    for edge in sorted(edges, key=lambda edge: -edge.confidence):
        if edge.child not in settled:
            candidates[edge.child] |= {edge.parent: round(edge.confidence, 3)} | edge.evidence.alternatives
    for model, family in sorted(family_of(prints, edges).items()):
        yield {"model": model, "family": family or None, "candidates": candidates.get(model, {})}


def write_lines(rows: Iterable[Edge | Mapping[str, Any]], out: Path) -> None:
    """Write a chart, or its family assignments, as JSON lines."""
    write_whole(out, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
