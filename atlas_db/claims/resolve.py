"""Resolution of all declared parents: names to models, self-loops, cycles, claims, fused edges.

Pure functions of all that the graph holds, so the order of loads has no effect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from atlas_db.claims.components import closing_edges
from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.hub_renames import find_renames
from atlas_db.claims.model_names import MentionIndex, NameEvidence, ResolvedName
from atlas_db.core.records import ChartedModel, LineageClaim, LineageEdge
from atlas_db.core.terms import METHODS, Resolution, Source
from atlas_db.fusion.evidence import encode_evidence
from atlas_db.fusion.fuse import fuse_child, is_active

_EARLIEST = "0000"
_MAYBE_GONE = frozenset({Resolution.EXACT, Resolution.CASE, Resolution.ABSENT})


def resolve_declarations(
    models: Mapping[str, NameEvidence], declarations: Iterable[ParentDeclaration]
) -> list[LineageClaim]:
    """Resolve every declaration against all known models.

    Args:
        models: Evidence on all models with a record.
        declarations: All declarations ever made, including those no longer stated.

    Returns:
        One claim per (child, parent, method), in their order. Each part of a record is a method of its own.
    """
    all_declarations = list(declarations)
    index = MentionIndex(models, {each.name for each in all_declarations}, find_renames(all_declarations))
    best: dict[tuple[str, str, str], LineageClaim] = {}
    unknown = NameEvidence(0, None)
    for declaration in all_declarations:
        created = models.get(declaration.child, unknown).created_at
        found = _mark_gone(declaration, index.resolve(declaration.name, declaration.child, created), models)
        claim = _to_claim(declaration, found)
        key = (claim.child, claim.parent, claim.method)
        best[key] = _join_claims(best[key], claim) if key in best else claim
    return _without_cycles([best[key] for key in sorted(best)], models)


def _mark_gone(declaration: ParentDeclaration, found: ResolvedName, models: Mapping[str, NameEvidence]) -> ResolvedName:
    """Mark a parent that a card names and the Hub's list of the same date lacks, unless a record is as new."""
    if declaration.listed is not False or found.resolution not in _MAYBE_GONE or found.evidence.looks_like:
        return found
    known = models.get(found.parent)
    if known is not None and known.last_seen >= declaration.last_seen:
        return found
    evidence = msgspec.structs.replace(found.evidence, dropped=True)
    return replace(found, resolution=Resolution.GONE, evidence=evidence)


def _to_claim(declaration: ParentDeclaration, found: ResolvedName) -> LineageClaim:
    self_loop = found.parent == declaration.child
    evidence = msgspec.structs.replace(
        found.evidence,
        name_confidence=round(found.confidence, 4),
        relation_confidence=declaration.relation_confidence,
        relation_source=declaration.by,
    )
    if declaration.relation_word:
        evidence = msgspec.structs.replace(evidence, relation_word=declaration.relation_word)
    if (merge := declaration.merge) is not None:
        evidence = msgspec.structs.replace(
            evidence, merge_method=merge.method, weight=merge.weight, density=merge.density, merge_base=merge.base
        )
    return LineageClaim(
        child=declaration.child,
        parent=found.parent,
        source=Source.DECLARED,
        relation=declaration.relation,
        confidence=round(found.confidence * declaration.relation_confidence, 4),
        method=METHODS[declaration.part],
        mention=declaration.name,
        resolution=Resolution.SELF_LOOP if self_loop else found.resolution,
        evidence=encode_evidence(evidence),
        first_seen=declaration.first_seen,
        last_seen=declaration.last_seen,
        valid_to=declaration.valid_to,
    )


def _join_claims(*claims: LineageClaim) -> LineageClaim:
    """Join the claims of two names for one parent: the live one of higher confidence, with the dates of both."""
    first, second = sorted(claims, key=lambda c: (c.valid_to is not None, -c.confidence, c.mention, c.evidence))
    return first._replace(
        first_seen=min(first.first_seen, second.first_seen),
        last_seen=max(first.last_seen, second.last_seen),
        valid_to=None if first.valid_to is None or second.valid_to is None else max(first.valid_to, second.valid_to),
    )


def _without_cycles(claims: list[LineageClaim], models: Mapping[str, NameEvidence]) -> list[LineageClaim]:
    """Mark the claims that close a cycle.

    Within each strongly connected component, claims are added in order of the child's date (unknown dates first, then
    by ids). A claim whose parent already descends from its child is marked.
    """
    unknown = NameEvidence(0, None)

    def age(item: LineageClaim) -> tuple[str, str, str]:
        return (models.get(item.child, unknown).created_at or _EARLIEST, item.child, item.parent)

    oldest_first = sorted(filter(is_active, claims), key=age)
    closing = closing_edges([(item.child, item.parent) for item in oldest_first])
    return [
        item._replace(resolution=Resolution.CYCLE) if (item.child, item.parent) in closing else item for item in claims
    ]


def fuse_claims(
    claims: Iterable[LineageClaim], charted: Mapping[str, ChartedModel] | None = None
) -> Iterator[LineageEdge]:
    """Fuse the claims on every child.

    Args:
        claims: Claims on any children.
        charted: Family and content hash of each charted model.
    """
    by_child: dict[str, list[LineageClaim]] = defaultdict(list)
    for item in claims:
        by_child[item.child].append(item)
    for child in sorted(by_child):
        yield from fuse_child(by_child[child], charted)
