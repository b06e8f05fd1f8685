"""Edges by behaviour: functionally equal models whose weights share nothing that pairwise tests could find.

Rescaled neurons, a turned basis of a layer or a permutation that cannot be undone leave no residual in the weights. The
function stays as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from atlas_db.core.terms import Relation, is_origin
from atlas_db.fusion.evidence import SameOutputsEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.probes.cka_similarity import functionally_equal
from ingest.weights.probes.probe_table import Probe
from ingest.weights.tree.edge import Edge, known_date, root_of


def behavioural_edges(
    prints: Sequence[Fingerprint], edges: Sequence[Edge], probes: Sequence[Probe], *, time: bool
) -> list[Edge]:
    """Return duplicate edges between families that hold functionally equal models.

    The evidence of duplicates that the weights found gets the difference of their outputs, in place.

    Args:
        prints: Fingerprints of the charted models.
        edges: Their chart by weights.
        probes: Outputs of those that were run.
        time: Whether dates count as evidence.
    """
    dates = {item.id: known_date(item.created_at) if time else "" for item in prints}
    pairs = functionally_equal([item for item in probes if item.id in dates])
    differences = {frozenset((left, right)): difference for left, right, difference in pairs}
    parent: dict[str, str] = {}
    settled = {edge.child for edge in edges if not is_origin(edge.parent)}
    for edge in sorted(edges, key=lambda edge: -edge.confidence):
        parent.setdefault(edge.child, edge.parent)
        found = differences.get(frozenset((edge.child, edge.parent)))
        if edge.relation is Relation.DUPLICATE and found is not None:
            edge.evidence = msgspec.structs.replace(edge.evidence, output_difference=round(found, 6))
    out = []
    for first, later, difference in _by_age(pairs, dates):
        if root_of(first, parent) == root_of(later, parent):
            continue
        ordered = bool(dates[first] and dates[later] and dates[first] != dates[later])
        child, other = (later, first) if later not in parent or ordered else (first, later)
        if child in settled:
            continue
        settled.add(child)
        parent[child] = other
        confidence = CONFIDENCE.same_outputs if ordered else CONFIDENCE.undated_same_outputs
        evidence = SameOutputsEvidence(output_difference=round(difference, 6))
        out.append(Edge(child, other, Relation.DUPLICATE, confidence, evidence))
    return out


def functional_partners(probes: Sequence[Probe], new: Collection[str]) -> set[str]:
    """Return the known models that are functionally equal to new ones: their families are to be charted together."""
    pairs = functionally_equal(probes)
    return {name for left, right, _ in pairs for name in (left, right) if left in new or right in new} - set(new)


def _by_age(pairs: Sequence[tuple[str, str, float]], dates: Mapping[str, str]) -> list[tuple[str, str, float]]:
    """Return pairs with the older model first, ordered by the older model's date."""
    ordered = [
        (left, right, difference) if (dates[left], left) <= (dates[right], right) else (right, left, difference)
        for left, right, difference in pairs
    ]
    return sorted(ordered, key=lambda pair: (dates[pair[0]], pair[0], dates[pair[1]], pair[1]))
