"""Parents that a model's repository declares over time, kept in its node as the JSON property `declared_parents`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from atlas_db.core.records import ParentClaim
from atlas_db.core.terms import RecordPart, Relation
from atlas_db.fusion.fuse import Span, life, merge_spans


class ParentDeclaration(NamedTuple):
    """A declaration over time: the repository of a child names a parent.

    Attributes:
        child: Id of the child.
        name: Name of the parent as written.
        relation: Relation, typed by the author or guessed.
        relation_confidence: 1 where typed.
        by: Source of the relation.
        first_seen: Date.
        last_seen: Date.
        valid_to: Date of the first snapshot that no longer states it, None while live.
    """

    child: str
    name: str
    relation: Relation
    relation_confidence: float
    by: str
    first_seen: str
    last_seen: str
    valid_to: str | None


class _DeclaredParent(msgspec.Struct, omit_defaults=True):
    """Declaration of a parent's name: first and last date by part, and the best evidence on the relation."""

    spans: dict[str, list[str]]
    relation: str
    confidence: float
    by: str
    date: str


_DECODER = msgspec.json.Decoder(dict[str, _DeclaredParent])


def snapshots_of(node: Mapping[str, Any]) -> dict[RecordPart, list[str]]:
    """Return the dates of the snapshots with a record of a node, by part of the record."""
    dates: dict[RecordPart, list[str]] = defaultdict(list)
    for entry in node.get("snapshots") or ():
        part, _, date = entry.partition("@")
        dates[RecordPart(part)].append(date)
    return dates


def merge_declared_parents(
    node: dict[str, Any], old: Mapping[str, Any], parents: Iterable[ParentClaim], as_of: str
) -> None:
    """Set `declared_parents` and `base_model` of a node after one more record.

    Args:
        node: Properties of the node, with the snapshots of the record.
        old: Properties before the record.
        parents: Parents that the record names.
        as_of: Date of the snapshot of the record.
    """
    text = old.get("declared_parents")
    if text is None and not parents:
        return
    declared = _DECODER.decode(text) if text else {}
    for claim in parents:
        declared[claim.name] = _join(declared.get(claim.name), claim, as_of)
    node["declared_parents"] = msgspec.json.encode(declared, order="sorted").decode()
    node["base_model"] = [each.name for each in parent_declarations(node) if each.valid_to is None] or None


def _join(old: _DeclaredParent | None, claim: ParentClaim, as_of: str) -> _DeclaredParent:
    """Join a declaration with a claim; the relation is that of typed, then newest, then most confident evidence."""
    spans: dict[RecordPart, Span] = {claim.part: (as_of, as_of)}
    best = (claim.confidence == 1.0, as_of, claim.confidence, claim.relation.value, claim.by)
    if old is not None:
        spans = merge_spans(spans, {RecordPart(part): (span[0], span[1]) for part, span in old.spans.items()})
        best = max(best, (old.confidence == 1.0, old.date, old.confidence, old.relation, old.by))
    _, date, confidence, relation, by = best
    return _DeclaredParent({part.value: list(span) for part, span in spans.items()}, relation, confidence, by, date)


def parent_declarations(node: Mapping[str, Any]) -> list[ParentDeclaration]:
    """Return all declarations of parents of a node, current and former, in the order of names."""
    text = node.get("declared_parents")
    if not text:
        return []
    snapshots = snapshots_of(node)
    found = []
    for name, parent in sorted(_DECODER.decode(text).items()):
        spans = {RecordPart(part): (span[0], span[1]) for part, span in parent.spans.items()}
        first, last, valid_to = life(spans, snapshots)
        relation = Relation(parent.relation)
        found.append(ParentDeclaration(node["id"], name, relation, parent.confidence, parent.by, first, last, valid_to))
    return found
