"""Adapters stored alone are attached to the charted families."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from atlas_db.errors import WeightsError
from atlas_db.terms import Relation
from ingest.weights.adapters import FAMILY, Factors, factors, likeness, member_features
from ingest.weights.edges import Edge, known_date
from ingest.weights.family import Doubles
from ingest.weights.fingerprint import Fingerprint
from ingest.weights.model import open_model
from ingest.weights.odds import load_odds

MEMBERS = 24
"""Members of a family that are looked at: the roots, those most models are made of, then by id."""
DECLARED = 0.98
"""Confidence of a base that an adapter's own configuration names, where it was asked to be believed."""
_LEAVES = frozenset({Relation.QUANTIZED, Relation.DUPLICATE, Relation.ADAPTER})


def attach(prints: Sequence[Fingerprint], edges: Sequence[Edge], *, time: bool, declared: bool = False) -> list[Edge]:
    """Return an edge for every adapter whose weights, and those of its family, are in reach.

    Args:
        prints: All fingerprints.
        edges: The chart of the others.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter names is believed, where its sides fit.
    """
    parent: dict[str, str] = {}
    for edge in edges:
        parent.setdefault(edge.child, edge.parent)
    leaves = {edge.child for edge in edges if edge.relation in _LEAVES}
    children = Counter(edge.parent for edge in edges)
    bases = [item for item in prints if not item.adapter and item.id not in leaves and item.location]
    families: dict[str, list[Fingerprint]] = {}
    for item in bases:
        families.setdefault(_top(item.id, parent), []).append(item)
    found: list[Edge] = []
    for adapter in (item for item in prints if item.adapter):
        named = next((item for item in bases if declared and item.id == adapter.declared), None)
        if named is not None:
            found.append(Edge(adapter.id, named.id, Relation.ADAPTER, DECLARED, {"test": "adapter", "declared": True}))
            continue
        made = _attach(adapter, families, children, parent, time=time)
        if made is not None:
            found.append(made)
    return found


def _top(model: str, parent: dict[str, str]) -> str:
    seen = {model}
    while model in parent and parent[model] not in seen:
        model = parent[model]
        seen.add(model)
    return model


def _attach(
    adapter: Fingerprint, families: dict[str, list[Fingerprint]], children: Counter[str], parent: dict[str, str],
    *, time: bool,
) -> Edge | None:  # fmt: skip
    try:
        with open_model(Path(adapter.location)) as model:
            parts = factors(model)
    except (WeightsError, OSError):
        return None
    first = {top: _measure(parts, _chosen(members, children, parent)[0]) for top, members in families.items()}
    fitting = {top: measured for top, measured in first.items() if measured is not None}
    if not fitting:
        return None
    top = max(fitting, key=lambda key: float(fitting[key][0]))
    if fitting[top][0] < FAMILY:
        return None
    members = _chosen(families[top], children, parent)
    measured = [(item, values) for item in members if (values := _measure(parts, item)) is not None]
    table = _table(adapter, measured, children, parent, time=time)
    scores = table @ np.array(load_odds(True).member)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    best = int(np.argmax(chances))
    evidence = {
        "test": "adapter", "family": top, "energy": round(float(fitting[top][0]), 3),
        "strangers": round(max((float(v[0]) for k, v in fitting.items() if k != top), default=0.0), 3),
        "rank": adapter.rank,
    }  # fmt: skip
    return Edge(adapter.id, measured[best][0].id, Relation.ADAPTER, float(chances[best]), evidence)


def _chosen(members: Sequence[Fingerprint], children: Counter[str], parent: dict[str, str]) -> list[Fingerprint]:
    return sorted(members, key=lambda item: (item.id in parent, -children[item.id], item.id))[:MEMBERS]


def _measure(parts: dict[str, Factors], base: Fingerprint) -> Doubles | None:
    try:
        with open_model(Path(base.location)) as model:
            return likeness(parts, model)
    except (WeightsError, OSError):
        return None


def _table(
    adapter: Fingerprint, measured: Sequence[tuple[Fingerprint, Doubles]], children: Counter[str],
    parent: dict[str, str], *, time: bool,
) -> Doubles:  # fmt: skip
    own = _day(adapter.created_at) if time else None
    days, later = np.zeros(len(measured)), np.zeros(len(measured))
    for place, (item, _) in enumerate(measured):
        theirs = _day(item.created_at)
        if own is not None and theirs is not None:
            days[place], later[place] = own - theirs, float(theirs > own)
    return member_features(
        np.array([values for _, values in measured]),
        np.array([float(item.id not in parent) for item, _ in measured]),
        np.array([children[item.id] for item, _ in measured], float),
        days,
        later,
    )


def _day(date: str) -> float | None:
    known = known_date(date)
    try:
        return datetime.fromisoformat(known).timestamp() / 86400 if known else None
    except ValueError:
        return None
