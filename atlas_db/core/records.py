"""Rows that packages exchange: Hub records, claims, lineage edges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from atlas_db.core.terms import RecordKind, RecordPart, Relation, Resolution, Source, Status

_DATASETS = "datasets/"


def repository_path(identifier: str, kind: RecordKind) -> str:
    """Return the path of a repository as the Hub spells it: that of a dataset begins with `datasets/`.

    A model and a dataset may have the same id. Their paths differ.
    """
    if kind is RecordKind.MODEL or identifier.startswith(_DATASETS):
        return identifier
    return _DATASETS + identifier


class ValueClaim(NamedTuple):
    """A claim of one record that a model or dataset has a value.

    Attributes:
        rel: Relationship type (HAS_LICENSE …).
        value: Id of the value node.
        confidence: 0..1; below 1 where the value was derived, not stated.
        part: The part of the record that states it.
    """

    rel: str
    value: str
    confidence: float
    part: RecordPart


class MergeTerm(NamedTuple):
    """Share of one parent in a merge, as a merge configuration states it.

    Attributes:
        method: Merge method by mergekit's name: linear, slerp, ties …
        weight: Weight of the parent; None where it is not one number.
        density: Share of its task vector that is kept, 0..1; None where it is not one number.
        base: True of the base model, whose task vectors are merged.
    """

    method: str
    weight: float | None = None
    density: float | None = None
    base: bool = False


class ParentClaim(NamedTuple):
    """A claim of one record that a model comes from a parent.

    Attributes:
        name: The parent's name as written.
        relation: How, as typed by the author or guessed from other evidence.
        confidence: Confidence in the relation, 0..1; 1 where it is typed.
        by: Source of the relation.
        part: The part of the record that states it.
        relation_word: The relation as written, where it is none of the Hub's; else empty.
        merge: Share of the parent in a merge, where a merge configuration states it.
    """

    name: str
    relation: Relation
    confidence: float
    by: str
    part: RecordPart
    relation_word: str = ""
    merge: MergeTerm | None = None


@dataclass(slots=True)
class HubRecord:
    """One normalised record of a model or dataset.

    Attributes:
        kind: Model or dataset.
        id: Hub id.
        parts: The parts of a repository's description that this record carries.
        stated: Properties that the tags part always states; None means that the repository has none.
        details: Further properties; a missing one is unknown.
        claims: Attribute claims, without repetition.
        parents: Parent claims.
        digest: Digest of all the above.
        notes: Values that were dropped, as (code, text).
        card: Text of the model card, where the record has it.
    """

    kind: RecordKind
    id: str
    parts: tuple[RecordPart, ...]
    stated: dict[str, Any]
    details: dict[str, Any]
    claims: list[ValueClaim]
    parents: list[ParentClaim]
    digest: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    card: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """One rejected item.

    Attributes:
        file: Name of its file.
        line: Line or row number, from 1; 0 for the whole file.
        code: Machine-readable reason.
        reason: Reason in words.
        record: The item as it was, cut at 64 KiB.
    """

    file: str
    line: int
    code: str
    reason: str
    record: str = ""


class LineageClaim(NamedTuple):
    """A claim of one source that a child comes from a parent, with the name resolved.

    Attributes:
        child: Child id.
        parent: Parent id.
        source: Declared, inferred or predicted.
        relation: How.
        confidence: That parent and relation are right, 0..1.
        method: name@version.
        mention: The parent's name as written.
        resolution: How the name was resolved.
        evidence: JSON.
        first_seen: Date.
        last_seen: Date.
        valid_to: Date of the first snapshot that no longer states it; None while live.
        run_id: The run that wrote it.
    """

    child: str
    parent: str
    source: Source
    relation: Relation
    confidence: float
    method: str
    mention: str
    resolution: Resolution
    evidence: str
    first_seen: str
    last_seen: str
    valid_to: str | None
    run_id: str = ""


class LineageEdge(NamedTuple):
    """One fused edge of the atlas, child to parent."""

    child: str
    parent: str
    relation: Relation
    confidence: float
    status: Status
    sources: tuple[Source, ...]


class ChartedModel(NamedTuple):
    """Results of a chart for one model.

    Attributes:
        family: Id of the root of its family by weights.
        content: Hash of its weights; equal for exact copies.
    """

    family: str
    content: str
