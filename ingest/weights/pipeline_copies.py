"""Pipelines with equal denoisers: duplicates where all other components are equal, too, else one made of another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import OtherComponentsEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.tree.edge import Edge, known_date

_Components = tuple[tuple[str, str], ...]


def compare_components(fingerprints: Sequence[Fingerprint], edges: Sequence[Edge]) -> list[Edge]:
    """Return edges in which duplicates have all components in common.

    Edges rest on denoisers alone. Some models have an equal denoiser and other components than the original. The first
    of them is a fine-tune of it by relation, as something was exchanged. The others are duplicates of that one.

    Args:
        fingerprints: The models.
        edges: Their edges.
    """
    known = {item.id: item for item in fingerprints}
    found: list[Edge] = []
    copies: dict[tuple[str, _Components], list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.relation is not Relation.DUPLICATE or not differing(known[edge.child], known[edge.parent]):
            found.append(edge)
            continue
        alone = edge.child if "" in known[edge.child].components.values() else ""
        key = (*sorted(known[edge.child].components.items()), ("", alone))
        copies[edge.parent, key].append(edge)
    for same in copies.values():
        first, *others = sorted(same, key=lambda edge: (known_date(known[edge.child].created_at) or "~", edge.child))
        found.append(_of_denoiser(first, known))
        found += [_of_first(edge, first.child, known) for edge in others]
    return found


def differing(one: Fingerprint, other: Fingerprint) -> list[str]:
    """Return the components that two models do not have in common, or that were not read."""
    names = sorted(one.components.keys() | other.components.keys())
    return [
        name for name in names if not one.components.get(name) or one.components[name] != other.components.get(name)
    ]


def _of_denoiser(edge: Edge, known: Mapping[str, Fingerprint]) -> Edge:
    components = differing(known[edge.child], known[edge.parent])
    evidence = OtherComponentsEvidence(components=components, alternatives=edge.evidence.alternatives)
    return replace(edge, relation=Relation.FINETUNE, evidence=evidence)


def _of_first(edge: Edge, first: str, known: Mapping[str, Fingerprint]) -> Edge:
    dates = {known_date(known[name].created_at) for name in (edge.child, first)}
    is_dated = len(dates) == 2 and "" not in dates
    confidence = CONFIDENCE.dated_duplicate if is_dated else CONFIDENCE.undated_duplicate
    return replace(edge, parent=first, confidence=confidence)
