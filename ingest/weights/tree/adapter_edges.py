"""Edges of adapters that are stored alone: the base among the members of the charted families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from atlas_db.core.arrays import Doubles
from atlas_db.core.errors import WeightsError
from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import AdapterEvidence
from ingest.formats.open_model import open_model
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.pairwise.adapter_base import LowRankUpdate, adapter_factors, base_features, energy_in_update
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.tree.edge import Edge, known_date, root_of
from ingest.weights.tree.scorer import load_scorer, runner_ups, softmax

MAX_MEMBERS = 24
"""Members of a family that are compared at most: roots first, then those with most children, then by id."""
_LEAVES = frozenset({Relation.QUANTIZED, Relation.DUPLICATE, Relation.ADAPTER})


def adapter_edges(
    prints: Sequence[Fingerprint], edges: Sequence[Edge], *, time: bool, declared: bool = False
) -> list[Edge]:
    """Return an edge for every adapter whose weights, and those of its family, can be read.

    Args:
        prints: Fingerprints of all models.
        edges: The chart of the others.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter's configuration names is trusted.
    """
    known = {item.id for item in prints if not item.adapter}
    named = [item for item in prints if declared and item.adapter and item.declared_base in known]
    found = [
        Edge(item.id, item.declared_base, Relation.ADAPTER, CONFIDENCE.declared_base, AdapterEvidence(declared=True))
        for item in named
    ]
    done = {item.id for item in named}
    weights = np.array(load_scorer(True).adapter)
    for adapter, measured, table in base_candidates([item for item in prints if item.id not in done], edges, time=time):
        probabilities = softmax(table @ weights)
        best = int(np.argmax(probabilities))
        evidence = AdapterEvidence(
            energy=round(float(measured[best][1][0]), 3),
            rank=adapter.rank,
            alternatives={measured[at][0].id: round(share, 3) for at, share in runner_ups(probabilities, best)},
        )
        found.append(Edge(adapter.id, measured[best][0].id, Relation.ADAPTER, float(probabilities[best]), evidence))
    return found


def base_candidates(
    prints: Sequence[Fingerprint], edges: Sequence[Edge], *, time: bool
) -> Iterator[tuple[Fingerprint, list[tuple[Fingerprint, Doubles]], Doubles]]:
    """Yield each adapter that fits a family, the measured members, and their features, shape (members, 5)."""
    parent: dict[str, str] = {}
    for edge in edges:
        parent.setdefault(edge.child, edge.parent)
    leaves = {edge.child for edge in edges if edge.relation in _LEAVES}
    children = Counter(edge.parent for edge in edges)
    families: dict[str, list[Fingerprint]] = {}
    for item in prints:
        if not item.adapter and item.id not in leaves and item.location:
            families.setdefault(root_of(item.id, parent), []).append(item)
    for adapter in (item for item in prints if item.adapter):
        members = _family(adapter, families, children, parent)
        if members:
            yield adapter, members, _table(adapter, members, children, parent, time=time)


def _family(
    adapter: Fingerprint, families: Mapping[str, list[Fingerprint]], children: Counter[str], parent: Mapping[str, str]
) -> list[tuple[Fingerprint, Doubles]]:
    """Return the measured members of the family that an adapter fits best; none below the threshold of a family."""
    try:
        with open_model(Path(adapter.location)) as model:
            parts = adapter_factors(model)
    except (WeightsError, OSError):
        return []
    best, most = None, PAIRWISE.min_adapter_energy
    for root, members in families.items():
        measured = _measure(parts, _chosen(members, children, parent)[0])
        if measured is not None and measured[0] >= most:
            best, most = root, float(measured[0])
    if best is None:
        return []
    members = _chosen(families[best], children, parent)
    return [(item, values) for item in members if (values := _measure(parts, item)) is not None]


def _chosen(members: Sequence[Fingerprint], children: Counter[str], parent: Mapping[str, str]) -> list[Fingerprint]:
    return sorted(members, key=lambda item: (item.id in parent, -children[item.id], item.id))[:MAX_MEMBERS]


def _measure(parts: dict[str, LowRankUpdate], base: Fingerprint) -> Doubles | None:
    try:
        with open_model(Path(base.location)) as model:
            return energy_in_update(parts, model)
    except (WeightsError, OSError):
        return None


def _table(
    adapter: Fingerprint, measured: Sequence[tuple[Fingerprint, Doubles]], children: Counter[str],
    parent: Mapping[str, str], *, time: bool,
) -> Doubles:  # fmt: skip
    own = _day(adapter.created_at) if time else None
    days, later = np.zeros(len(measured)), np.zeros(len(measured))
    for place, (item, _) in enumerate(measured):
        theirs = _day(item.created_at)
        if own is not None and theirs is not None:
            days[place], later[place] = own - theirs, float(theirs > own)
    return base_features(
        np.array([values for _, values in measured]),
        np.array([float(item.id not in parent) for item, _ in measured]),
        np.array([children[item.id] for item, _ in measured], float),
        days,
        later,
    )


def _day(date: str) -> float | None:
    known = known_date(date)
    return datetime.fromisoformat(known).timestamp() / 86400 if known else None
