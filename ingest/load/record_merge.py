"""Merge of records of one repository over time: node and claims after one more record. Pure functions.

Each property is a last-writer-wins register by snapshot date; records of equal date are ordered by value. Each claim
keeps the dates at which each part of a record stated it. So the result is independent of the order of records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from atlas_db.claims.declared_parents import merge_declared_parents, snapshots_of
from atlas_db.core.records import HubRecord, ValueClaim
from atlas_db.core.schema import RUN_PROPERTIES
from atlas_db.core.terms import METHODS, RecordKind, RecordPart, Source
from atlas_db.fusion.fuse import Span, merge_spans, valid_time

Properties = dict[str, Any]
_PARTS = {method: part for part, method in METHODS.items()}
TAG_PROPERTIES = ("downloads", "likes", "pipeline_tag", "library_name", "license", "tags")
_BOOKKEEPING = frozenset(
    {
        "id",
        "author",
        "name",
        "placeholder",
        "first_seen",
        "last_seen",
        "snapshots",
        "carried_forward",
        "base_model",
        "declared_parents",
    }
)
_OF_RUNS = frozenset(RUN_PROPERTIES) | {name for names in RUN_PROPERTIES.values() for name in names}
"""What audits and charts write; no record states it, so it is never carried forward."""
_FROM_WEIGHTS = ("weights_run_id", *RUN_PROPERTIES["weights_run_id"])


def merge_node(old: Mapping[str, Any] | None, record: HubRecord, as_of: str) -> Properties:
    """Return all properties of a node after one more record.

    Args:
        old: Properties in the store; None or those of a placeholder where there was no record.
        record: The record.
        as_of: Date of its snapshot.
    """
    known: Mapping[str, Any] = {} if old is None or not old.get("snapshots") else old
    owner, slash, name = record.id.rpartition("/")
    seen = list(_snapshots(record.parts or (RecordPart.FACTS,), as_of))
    if known:
        seen = sorted({*known.get("snapshots", ()), *seen})
    last_seen = max(as_of, known.get("last_seen", ""))
    node: Properties = {
        "id": record.id,
        "name": name,
        "placeholder": False,
        "first_seen": min(as_of, known.get("first_seen", as_of)),
        "last_seen": last_seen,
        "snapshots": seen,
    }
    if slash:
        node["author"] = owner
    node |= {key: value for key, value in known.items() if key not in _BOOKKEEPING}
    if old is not None and not known:
        # What a chart computed of a model without a record outlives its first record.
        node |= {name: old[name] for name in _FROM_WEIGHTS if name in old}
    _merge_tag_properties(node, known, record, as_of)
    _merge_details(node, known, record, as_of)
    if record.kind is RecordKind.MODEL:
        merge_declared_parents(node, known, record.parents, as_of)
    return {key: value for key, value in node.items() if value is not None}


@lru_cache(maxsize=256)
def _snapshots(parts: tuple[RecordPart, ...], as_of: str) -> tuple[str, ...]:
    """Return the parts of a record with the date of its snapshot, sorted."""
    return tuple(sorted({f"{part}@{as_of}" for part in parts}))


def _merge_tag_properties(node: Properties, known: Mapping[str, Any], record: HubRecord, as_of: str) -> None:
    """Merge the properties of the tags part. It states all of them at once, so a missing one has no value."""
    if RecordPart.TAGS not in record.parts:
        return
    if not known:
        node |= {name: value for name, value in record.stated.items() if value is not None}
        return
    newest = max(snapshots_of(known).get(RecordPart.TAGS, ("",)))
    for name, value in record.stated.items():
        if as_of > newest or (as_of == newest and value is not None and (name not in known or value > known[name])):
            node[name] = value


def _merge_details(node: Properties, known: Mapping[str, Any], record: HubRecord, as_of: str) -> None:
    if not known:
        node |= record.details
        node["record_digest"] = record.digest
        return
    dates = dict(entry.split("=", 1) for entry in known.get("carried_forward", ()))
    details = {**record.details, "record_digest": record.digest}
    for name, value in details.items():
        if name in TAG_PROPERTIES and any(entry.startswith(RecordPart.TAGS) for entry in known.get("snapshots", ())):
            continue
        date = dates.get(name, known["last_seen"]) if name in known else ""
        if as_of > date or (as_of == date and value > known[name]):
            node[name] = value
            dates[name] = as_of
        else:
            dates[name] = date
    for name in known:
        if name not in _BOOKKEEPING and name not in TAG_PROPERTIES and name not in _OF_RUNS:
            dates.setdefault(name, known["last_seen"])
    last = node["last_seen"]
    carried = sorted(f"{name}={date}" for name, date in dates.items() if date < last and node.get(name) is not None)
    node["carried_forward"] = carried or None


def merge_claims(
    old: Mapping[tuple[str, str], Mapping[str, Any]],
    claims: Sequence[ValueClaim],
    node: Mapping[str, Any],
    as_of: str,
) -> dict[tuple[str, str], Properties]:
    """Return the declared claims of a node after one more record: (relationship type, value) to properties.

    Args:
        old: Declared claims in the store.
        claims: Claims of the record.
        node: Properties of the node after the record.
        as_of: Date of the record's snapshot.
    """
    snapshots = snapshots_of(node)
    spans: dict[tuple[str, str], dict[RecordPart, Span]] = {key: _spans(props) for key, props in old.items()}
    confidence = {key: float(props["confidence"]) for key, props in old.items()}
    for claim in claims:
        key = (claim.rel, claim.value)
        spans[key] = merge_spans(spans.get(key, {}), {claim.part: (as_of, as_of)})
        confidence[key] = max(confidence.get(key, 0.0), claim.confidence)
    return {key: claim_properties(spans[key], snapshots, confidence[key]) for key in spans}


def claim_properties(
    spans: Mapping[RecordPart, Span], snapshots: Mapping[RecordPart, Iterable[str]], confidence: float
) -> Properties:
    """Return the properties of a declared claim, without run id."""
    first, last, valid_to = valid_time(spans, snapshots)
    parts = sorted(spans)
    props: Properties = {
        "source": Source.DECLARED.value,
        "confidence": confidence,
        "method": "+".join(METHODS[part] for part in parts),
        "first_seen": first,
        "last_seen": last,
    }
    if valid_to is not None:
        props["valid_to"] = valid_to
    if len(parts) > 1:
        props["stated_in"] = ";".join(f"{part}:{spans[part][0]}..{spans[part][1]}" for part in parts)
    return props


def _spans(props: Mapping[str, Any]) -> dict[RecordPart, Span]:
    if text := props.get("stated_in"):
        found: dict[RecordPart, Span] = {}
        for entry in text.split(";"):
            part, _, dates = entry.partition(":")
            first, _, last = dates.partition("..")
            found[RecordPart(part)] = (first, last)
        return found
    return {_PARTS[props["method"]]: (props["first_seen"], props["last_seen"])}
