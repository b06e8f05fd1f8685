"""What probes add to a chart: copies whose weights were changed so that nothing but the answers stayed.

Scaling neurons, turning the basis of a layer or permuting units in a way that cannot be undone leaves no trace that
the pair tests of weights could see, and the same function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import SameOutputsEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.probes.cka_similarity import same_function
from ingest.weights.probes.probe_table import Probe
from ingest.weights.tree.edge import Edge, known_date, root_of

SURE, EITHER = 0.97, 0.5
"""Confidence where dates say which came first, and where nothing does."""


def behavioural_edges(
    prints: Sequence[Fingerprint], edges: Sequence[Edge], probes: Sequence[Probe], *, time: bool
) -> list[Edge]:
    """Return edges between families of which a model of one answers as the root of the other does.

    Edges of copies that the weights found are told, in place, how far the answers of their ends are apart.

    Args:
        prints: What was charted.
        edges: What the weights say.
        probes: Answers of those that were run.
        time: Whether dates count as evidence.
    """
    dates = {item.id: known_date(item.created_at) if time else "" for item in prints}
    pairs = same_function([item for item in probes if item.id in dates])
    apart = {frozenset((left, right)): distance for left, right, distance in pairs}
    parent: dict[str, str] = {}
    for edge in sorted(edges, key=lambda edge: -edge.confidence):
        parent.setdefault(edge.child, edge.parent)
        distance = apart.get(frozenset((edge.child, edge.parent)))
        if edge.relation is Relation.DUPLICATE and distance is not None:
            edge.evidence = msgspec.structs.replace(edge.evidence, output_difference=round(distance, 6))
    out = []
    for first, later, distance in _by_age(pairs, dates):
        if root_of(first, parent) == root_of(later, parent):
            continue
        told = bool(dates[first] and dates[later] and dates[first] != dates[later])
        child, other = (later, first) if later not in parent or told else (first, later)
        if child in parent:
            continue
        parent[child] = other
        evidence = SameOutputsEvidence(output_difference=round(distance, 6))
        out.append(Edge(child, other, Relation.DUPLICATE, SURE if told else EITHER, evidence))
    return out


def functional_partners(probes: Sequence[Probe], new: Collection[str]) -> set[str]:
    """Return the models that answer as some new ones do: their families have to be charted with these."""
    pairs = same_function(probes)
    return {name for left, right, _ in pairs for name in (left, right) if left in new or right in new} - set(new)


def _by_age(pairs: Sequence[tuple[str, str, float]], dates: Mapping[str, str]) -> list[tuple[str, str, float]]:
    """Return pairs with the older model first, the pairs of the oldest models first."""
    turned = [
        (left, right, distance) if (dates[left], left) <= (dates[right], right) else (right, left, distance)
        for left, right, distance in pairs
    ]
    return sorted(turned, key=lambda pair: (dates[pair[0]], pair[0], dates[pair[1]], pair[1]))
