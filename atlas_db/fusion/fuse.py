"""Testimony to lineage edges, and statements over time: pure, and independent of the order things arrive in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

from atlas_db.core.records import Charted, LineageEdge, Testimony
from atlas_db.core.terms import (
    FOLLOWED_CONFIDENCE,
    Outcome,
    Part,
    Relation,
    Source,
    Status,
)
from atlas_db.fusion.evidence import MergeEvidence, decode_evidence

TRUSTED_INFERENCE = 0.9
"""How sure weights must be of a parent, so that its relation is what they say."""
CONTRADICTING = 0.98
"""How sure they must be of it to contradict another that is declared: as sure as of a copy.

Most declarations are right, too: where one in ten is wrong, weights that are wrong once in thirty blame a right one for
each three wrong ones.
"""
OTHER_FAMILY = 0.99
"""How sure two charted families are two: none of the pairs of independent models of generated families was linked."""
NEVER_FOLLOWED = frozenset({Outcome.AMBIGUOUS, Outcome.SELF_LOOP, Outcome.CYCLE})

Span = tuple[str, str]
"""Dates (first, last) of the snapshots that state something."""


def is_followed(testimony: Testimony) -> bool:
    """True where testimony counts: live, unambiguous, closes no cycle, and its name reached confidence .5."""
    return (
        testimony.ended is None
        and testimony.outcome not in NEVER_FOLLOWED
        and (testimony.outcome is not Outcome.ABSENT or testimony.confidence >= FOLLOWED_CONFIDENCE)
    )


def fuse_child(testimony: Iterable[Testimony], charted: Mapping[str, Charted] | None = None) -> list[LineageEdge]:
    """Fuse all testimony on one child into one edge a parent.

    Agreeing sources give 1 - prod(1 - c). A declared parent is contradicted where weights name other parents at
    .98 or more, and neither think this one possible nor an exact copy of one of those or of the child, or put the two
    into different families: c_declared * (1 - c_against). That a model was trained from one of several declared
    parents, or merged of some, does not speak against the others: of a merge that weights do not recognise they see
    one parent, and none whose share is next to nothing. The model that a merge started from is declared beside its
    parents, as merging tools do; where the weights name it, they agree.

    Args:
        testimony: What every source says of this child's parents.
        charted: Family and content of each model whose weights were charted.

    Returns:
        Edges in the order of parents' ids.
    """
    by_parent: dict[str, list[Testimony]] = defaultdict(list)
    for item in testimony:
        if is_followed(item):
            by_parent[item.parent].append(item)
    inferred = {
        parent: max(item.confidence for item in items if item.source is Source.INFERRED)
        for parent, items in by_parent.items()
        if any(item.source is Source.INFERRED for item in items)
    }
    trusted = max((c for c in inferred.values() if c >= CONTRADICTING), default=0.0)
    evidence = [
        decode_evidence(item.evidence)
        for items in by_parent.values()
        for item in items
        if item.source is Source.INFERRED and item.evidence
    ]
    bases = {each.base for each in evidence if isinstance(each, MergeEvidence)}
    possible = {other for each in evidence for other in each.alternatives}
    known = charted or {}
    children = {item.child for items in by_parent.values() for item in items}
    contents = {known[model].content for model in (*children, *inferred) if model in known} - {""}
    partly = _partly_seen(by_parent, set(inferred))
    edges = []
    for parent, items in sorted(by_parent.items()):
        ours, theirs = known.get(items[0].child), known.get(parent)
        strangers = OTHER_FAMILY if ours is not None and theirs is not None and ours.family != theirs.family else 0.0
        alike = partly or parent in possible or (theirs is not None and theirs.content in contents)
        named = parent in inferred or parent in bases
        against = max(0.0 if alike else trusted, strangers)
        edges.append(_fuse_pair(parent, items, named=named, against=0.0 if named else against))
    return edges


def _partly_seen(by_parent: Mapping[str, Sequence[Testimony]], inferred: Collection[str]) -> bool:
    """Whether all that weights see of a model is that it was made of some of the declared parents, but not all."""
    declared = {parent for parent, items in by_parent.items() if any(i.source is Source.DECLARED for i in items)}
    seen = {item.relation for parent in inferred for item in by_parent[parent] if item.source is Source.INFERRED}
    return bool(seen) and seen <= {Relation.FINETUNE, Relation.MERGE} and set(inferred) < declared


def _fuse_pair(parent: str, items: Sequence[Testimony], *, named: bool, against: float) -> LineageEdge:
    by_source = {item.source: item for item in sorted(items, key=lambda item: item.confidence)}
    declared, inferred = by_source.get(Source.DECLARED), by_source.get(Source.INFERRED)
    # A prediction has been learnt from declarations: it is no witness of its own beside one.
    heard = [item for source, item in by_source.items() if source is not Source.PREDICTED] or list(by_source.values())
    confidence = 1.0 - prod(1.0 - item.confidence for item in heard)
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


def _relation(by_source: Mapping[Source, Testimony]) -> Relation:
    inferred = by_source.get(Source.INFERRED)
    if inferred and inferred.confidence >= TRUSTED_INFERENCE:
        return inferred.relation
    for source in (Source.DECLARED, Source.PREDICTED, Source.INFERRED):
        if source in by_source:
            return by_source[source].relation
    raise ValueError("no testimony to fuse")


def merge_spans(*spans: Mapping[Part, Span]) -> dict[Part, Span]:
    """Join what several observations say of when each part stated something (commutative, idempotent)."""
    joined: dict[Part, Span] = {}
    for each in spans:
        for part, (first, last) in each.items():
            known = joined.get(part, (first, last))
            joined[part] = (min(known[0], first), max(known[1], last))
    return joined


def life(spans: Mapping[Part, Span], snapshots: Mapping[Part, Iterable[str]]) -> tuple[str, str, str | None]:
    """Return first_seen, last_seen and ended of a statement.

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
