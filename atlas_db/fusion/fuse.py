"""Claims fused to lineage edges, and the validity of claims over time: pure functions, independent of order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

from atlas_db.core.records import ChartedModel, LineageClaim, LineageEdge
from atlas_db.core.terms import (
    METHODS,
    MIN_ACTIVE_CONFIDENCE,
    RecordPart,
    Relation,
    Resolution,
    Source,
    Status,
    is_origin,
)
from atlas_db.fusion.evidence import MergeEvidence, decode_evidence
from atlas_db.fusion.fusion_parameters import FUSION

NEVER_ACTIVE = frozenset({Resolution.AMBIGUOUS, Resolution.SELF_LOOP, Resolution.CYCLE})

Span = tuple[str, str]
"""Dates (first, last) of the snapshots that state something."""


def is_active(claim: LineageClaim) -> bool:
    """Return whether a claim counts: live, unambiguous, closing no cycle, its name resolved with confidence .5."""
    return (
        claim.valid_to is None
        and claim.resolution not in NEVER_ACTIVE
        and (claim.resolution is not Resolution.ABSENT or claim.confidence >= MIN_ACTIVE_CONFIDENCE)
    )


def fuse_child(claims: Iterable[LineageClaim], charted: Mapping[str, ChartedModel] | None = None) -> list[LineageEdge]:
    """Fuse all claims on one child into one edge a parent.

    Agreeing sources give 1 - prod(1 - c). A contradicted declaration gives c_declared * (1 - c_against). Several
    declarations of one parent (tags, card, configuration) are one author's, so the most confident counts once.

    A model is a merge where its card names several parents as merged, or a merge configuration does. The Hub types the
    relation by the parents that it still knows, so `finetune` of the single one that is left yields.

    A declared parent is contradicted by weights in two cases. Either they name other parents with confidence .98 or
    more; or they put child and parent into different families. In the first case it is not contradicted where:

    - the weights list it as an alternative;
    - its weights were not charted: it may lie between the named parent and the child;
    - it is an exact copy of a named parent, or of the child;
    - the weights name some of several declared parents. Of a merge that they do not recognise they see one parent, and
      none whose weight is near zero.

    The base of a merge counts as named: merging tools declare it beside the parents.

    Args:
        claims: Claims of every source on this child's parents.
        charted: Family and content of each model whose weights were charted.

    Returns:
        Edges in the order of parents' ids.
    """
    by_parent: dict[str, list[LineageClaim]] = defaultdict(list)
    all_claims = list(claims)
    for item in all_claims:
        if is_active(item):
            by_parent[item.parent].append(item)
    merged = _is_declared_merge(all_claims)
    inferred = {
        parent: max(item.confidence for item in items if item.source is Source.INFERRED)
        for parent, items in by_parent.items()
        if any(item.source is Source.INFERRED for item in items)
    }
    trusted = max((c for p, c in inferred.items() if c >= FUSION.min_contradicting and not is_origin(p)), default=0.0)
    evidence = [
        decode_evidence(item.evidence)
        for items in by_parent.values()
        for item in items
        if item.source is Source.INFERRED and item.evidence
    ]
    bases = {each.base for each in evidence if isinstance(each, MergeEvidence)}
    alternatives = {other for each in evidence for other in each.alternatives}
    known = charted or {}
    children = {item.child for items in by_parent.values() for item in items}
    contents = {known[model].content for model in (*children, *inferred) if model in known} - {""}
    partly = _named_in_part(by_parent, set(inferred))
    edges = []
    for parent, items in sorted(by_parent.items()):
        ours, theirs = known.get(items[0].child), known.get(parent)
        apart = ours is not None and theirs is not None and ours.family != theirs.family
        compatible = partly or parent in alternatives or theirs is None or theirs.content in contents
        named = parent in inferred or parent in bases
        against = max(0.0 if compatible else trusted, FUSION.other_family if apart else 0.0)
        edges.append(_fuse_pair(parent, items, named=named, against=0.0 if named else against, merged=merged))
    return edges


def _is_declared_merge(claims: Iterable[LineageClaim]) -> bool:
    """Return whether the card names several parents as merged, or a merge configuration names any."""
    by_method: dict[str, set[str]] = defaultdict(set)
    for item in claims:
        if item.source is Source.DECLARED and item.relation is Relation.MERGE and item.valid_to is None:
            by_method[item.method].add(item.parent)
    return len(by_method[METHODS[RecordPart.CARD]]) > 1 or bool(by_method[METHODS[RecordPart.MERGE_CONFIG]])


def _named_in_part(by_parent: Mapping[str, Sequence[LineageClaim]], inferred: Collection[str]) -> bool:
    """Return whether the weights name some of the declared parents, as parents of training or merging, and no other."""
    declared = {parent for parent, items in by_parent.items() if any(i.source is Source.DECLARED for i in items)}
    relations = {item.relation for parent in inferred for item in by_parent[parent] if item.source is Source.INFERRED}
    return bool(relations) and relations <= {Relation.FINETUNE, Relation.MERGE} and set(inferred) < declared


def _fuse_pair(parent: str, items: Sequence[LineageClaim], *, named: bool, against: float, merged: bool) -> LineageEdge:
    by_source = {item.source: item for item in sorted(items, key=lambda item: item.confidence)}
    declared, inferred = by_source.get(Source.DECLARED), by_source.get(Source.INFERRED)
    if merged and declared and declared.relation is Relation.FINETUNE:
        by_merge = any(item.source is Source.DECLARED and item.relation is Relation.MERGE for item in items)
        by_source[Source.DECLARED] = declared._replace(relation=Relation.MERGE) if by_merge else declared
    # Predictions are learned from declarations. So they are not independent evidence beside another source.
    independent = [item for source, item in by_source.items() if source is not Source.PREDICTED]
    confidence = 1.0 - prod(1.0 - item.confidence for item in independent or by_source.values())
    if declared and named:
        status = Status.VERIFIED
    elif declared and against:
        status, confidence = Status.CONTRADICTED, declared.confidence * (1.0 - against)
    elif declared:
        status = Status.DECLARED
    else:
        status = Status.UNDECLARED if inferred else Status.PREDICTED
    return LineageEdge(
        items[0].child, parent, _relation(by_source), round(confidence, 6), status, tuple(sorted(by_source))
    )


def _relation(by_source: Mapping[Source, LineageClaim]) -> Relation:
    """Return the inferred relation where it is trusted, else the declared, the predicted, the inferred one.

    Raises:
        ValueError: There are no claims.
    """
    inferred = by_source.get(Source.INFERRED)
    if inferred and inferred.confidence >= FUSION.min_trusted:
        return inferred.relation
    for source in (Source.DECLARED, Source.PREDICTED, Source.INFERRED):
        if source in by_source:
            return by_source[source].relation
    raise ValueError("no claim to fuse")


def merge_spans(*spans: Mapping[RecordPart, Span]) -> dict[RecordPart, Span]:
    """Join spans part by part: the minimum of firsts, the maximum of lasts (commutative, idempotent)."""
    joined: dict[RecordPart, Span] = {}
    for each in spans:
        for part, (first, last) in each.items():
            known = joined.get(part, (first, last))
            joined[part] = (min(known[0], first), max(known[1], last))
    return joined


def valid_time(
    spans: Mapping[RecordPart, Span], snapshots: Mapping[RecordPart, Iterable[str]]
) -> tuple[str, str, str | None]:
    """Return first_seen, last_seen and valid_to of a statement (valid time, SQL:2011).

    It is live while any part's newest snapshot states it. Otherwise it ended with the first snapshot, of the part
    that held on longest, that no longer states it.

    Args:
        spans: When each part stated it.
        snapshots: Dates of all snapshots of the repository, a part.
    """
    first = min(span[0] for span in spans.values())
    last = max(span[1] for span in spans.values())
    ends = []
    for part, span in spans.items():
        later = [date for date in snapshots.get(part, ()) if date > span[1]]
        if not later:
            return first, last, None
        ends.append(min(later))
    return first, last, max(ends)
