"""Parents that a model's repository declares over time, kept in its node as the JSON property `declared_parents`.

Each part of a record (tags, card, configuration files …) is a source of its own, so that disagreement shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from atlas_db.claims.repository_ids import repository_name
from atlas_db.core.records import MergeTerm, ParentClaim
from atlas_db.core.terms import RecordPart, Relation
from atlas_db.fusion.fuse import Span, valid_time

HUB_LISTS = (RecordPart.TAGS, RecordPart.BASE_MODELS)
"""Parts in which the Hub lists parents that it still knows. Both come from one list, so each ends the other."""


class ParentDeclaration(NamedTuple):
    """A declaration over time: one part of a child's repository names a parent.

    Attributes:
        child: Id of the child.
        name: Name of the parent as written.
        part: The part that names it.
        relation: Relation, typed by the author or guessed.
        relation_confidence: 1 where typed.
        by: Source of the relation.
        first_seen: Date.
        last_seen: Date.
        valid_to: Date of the first snapshot that no longer states it, None while live.
        relation_word: The relation as written, where it is none of the Hub's; else empty.
        merge: Share of the parent in a merge, where a merge configuration states it.
        listed: Of a parent of the card, whether the Hub's list of the same date holds it; None without such a list.
    """

    child: str
    name: str
    part: RecordPart
    relation: Relation
    relation_confidence: float
    by: str
    first_seen: str
    last_seen: str
    valid_to: str | None
    relation_word: str = ""
    merge: MergeTerm | None = None
    listed: bool | None = None


class _Declared(msgspec.Struct, omit_defaults=True):
    """Declaration of a parent's name by one part: first and last date, and the best evidence on the relation."""

    first: str
    last: str
    relation: str
    confidence: float
    by: str
    date: str
    word: str = ""
    merge: MergeTerm | None = None


_DECODER = msgspec.json.Decoder(dict[str, dict[str, _Declared]])


def snapshots_of(node: Mapping[str, Any]) -> dict[RecordPart, list[str]]:
    """Return the dates of the snapshots with a record of a node, by part of the record."""
    dates: dict[RecordPart, list[str]] = defaultdict(list)
    for entry in node.get("snapshots") or ():
        part, _, date = entry.partition("@")
        dates[RecordPart(part)].append(date)
    return dates


def merge_declared_parents(
    node: dict[str, Any], old: Mapping[str, Any], parents: Sequence[ParentClaim], as_of: str
) -> None:
    """Set `declared_parents` and `base_model` of a node after one more record.

    What a chart read in files beside the weights is kept apart, because rolling back that chart takes it away.

    Args:
        node: Properties of the node, with the snapshots of the record.
        old: Properties before the record.
        parents: Parents that the record names.
        as_of: Date of the snapshot of the record.
    """
    text = old.get("declared_parents")
    if text is None and not parents:
        return
    node["declared_parents"] = add_declarations(text, parents, as_of)
    # All that the first record names is live; a record before it may be newer and name none.
    live = (
        sorted(each.name for each in parents)
        if not old
        else [each.name for each in parent_declarations(node) if each.valid_to is None]
    )
    node["base_model"] = list(dict.fromkeys(live)) or None


def add_declarations(text: str | None, parents: Iterable[ParentClaim], as_of: str) -> str:
    """Return declarations as JSON after one more record.

    Args:
        text: Declarations before it, None where there are none.
        parents: Parents that the record names.
        as_of: Date of its snapshot.
    """
    declared = _DECODER.decode(text) if text else {}
    for claim in parents:
        by_part = declared.setdefault(claim.name, {})
        by_part[claim.part.value] = _join(by_part.get(claim.part.value), claim, as_of)
    return msgspec.json.encode(declared, order="sorted").decode()


def _join(old: _Declared | None, claim: ParentClaim, as_of: str) -> _Declared:
    """Join a declaration with a claim; the relation is that of typed, then newest, then most confident evidence."""
    new = _Declared(
        as_of, as_of, claim.relation.value, claim.confidence, claim.by, as_of, claim.relation_word, claim.merge
    )
    if old is None:
        return new
    best = max(old, new, key=_strength)
    return msgspec.structs.replace(best, first=min(old.first, as_of), last=max(old.last, as_of))


def _strength(each: _Declared) -> tuple[bool, str, float, str, str, str, tuple[Any, ...]]:
    merge = tuple(str(value) for value in each.merge or ())
    return (each.confidence == 1.0, each.date, each.confidence, each.relation, each.by, each.word, merge)


def parent_declarations(node: Mapping[str, Any]) -> list[ParentDeclaration]:
    """Return all declarations of parents of a node, current and former, in the order of names and parts."""
    text, charted = node.get("declared_parents"), node.get("weights_declared_parents")
    if not text and not charted:
        return []
    declared = _DECODER.decode(text) if text else {}
    if charted:
        for name, by_part in _DECODER.decode(charted).items():
            declared[name] = by_part | declared.get(name, {})
    snapshots = snapshots_of(node)
    hub_dates = [date for part in HUB_LISTS for date in snapshots.get(part, ())]
    # Only names of a card are held against the Hub's lists.
    listed = _hub_names(declared) if any(RecordPart.CARD in by_part for by_part in declared.values()) else {}
    found = []
    for name, by_part in sorted(declared.items()):
        for part_name, each in sorted(by_part.items()):
            part = RecordPart(part_name)
            span, dates = (each.first, each.last), snapshots.get(part, ())
            if part in HUB_LISTS:
                span, dates = _joined([by_part[p] for p in HUB_LISTS if p in by_part]), hub_dates
            _, _, valid_to = valid_time({part: span}, {part: dates})
            held = _is_held(listed, name, each.last) if part is RecordPart.CARD and each.last in hub_dates else None
            found.append(
                ParentDeclaration(
                    node["id"], name, part, Relation(each.relation), each.confidence, each.by, each.first, each.last,
                    valid_to, each.word, each.merge, held,
                )
            )  # fmt: skip
    return found


def _joined(stated: Sequence[_Declared]) -> Span:
    return min(each.first for each in stated), max(each.last for each in stated)


def _hub_names(declared: Mapping[str, Mapping[str, _Declared]]) -> dict[str, list[Span]]:
    """Return when the Hub's lists held each parent, by its id in lower case."""
    found: dict[str, list[Span]] = defaultdict(list)
    for name, by_part in declared.items():
        key = repository_name(name).lower()
        found[key] += [(by_part[part].first, by_part[part].last) for part in HUB_LISTS if part in by_part]
    return found


def _is_held(listed: Mapping[str, Sequence[Span]], name: str, date: str) -> bool:
    return any(first <= date <= last for first, last in listed.get(repository_name(name).lower(), ()))
