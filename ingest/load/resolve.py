"""All statements about parents, resolved together: names to models, self-loops, cycles, testimony, edges.

A pure function of what the graph knows, so that the order of loads can't matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from atlas_db.core.components import strongly_connected
from atlas_db.core.records import ChartedModel, LineageClaim, LineageEdge
from atlas_db.core.terms import Relation, Resolution, Source
from atlas_db.fusion.evidence import encode_evidence
from atlas_db.fusion.fuse import fuse_child, is_active
from ingest.normalise.model_names import MentionIndex, NameEvidence, ResolvedName

METHOD = "hub-metadata@1"
_EARLIEST = "0000"


class ParentDeclaration(NamedTuple):
    """That a child's repository names a parent, over time.

    Attributes:
        child: Id of the child.
        name: The parent's name as written.
        relation: How, typed or guessed.
        relation_confidence: 1 where typed.
        by: What the relation rests on.
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


def resolve_declarations(
    models: Mapping[str, NameEvidence], statements: Iterable[ParentDeclaration]
) -> list[LineageClaim]:
    """Resolve every statement against every known model.

    Args:
        models: Facts of all models with a record.
        statements: All statements ever made, ended ones too.

    Returns:
        One testimony a (child, parent), in the order of both ids.
    """
    stated = list(statements)
    index = MentionIndex(models, {statement.name for statement in stated})
    best: dict[tuple[str, str], LineageClaim] = {}
    unknown = NameEvidence(0, None)
    for statement in stated:
        created = models.get(statement.child, unknown).created_at
        testimony = _to_claim(statement, index.resolve(statement.name, statement.child, created))
        pair = (testimony.child, testimony.parent)
        best[pair] = _join_claims(best[pair], testimony) if pair in best else testimony
    return _without_cycles([best[pair] for pair in sorted(best)], models)


def _to_claim(statement: ParentDeclaration, found: ResolvedName) -> LineageClaim:
    self_loop = found.parent == statement.child
    evidence = msgspec.structs.replace(
        found.evidence,
        name_confidence=round(found.confidence, 4),
        relation_confidence=statement.relation_confidence,
        relation_source=statement.by,
    )
    return LineageClaim(
        child=statement.child,
        parent=found.parent,
        source=Source.DECLARED,
        relation=statement.relation,
        confidence=round(found.confidence * statement.relation_confidence, 4),
        method=METHOD,
        mention=statement.name,
        resolution=Resolution.SELF_LOOP if self_loop else found.resolution,
        evidence=encode_evidence(evidence),
        first_seen=statement.first_seen,
        last_seen=statement.last_seen,
        valid_to=statement.valid_to,
    )


def _join_claims(one: LineageClaim, two: LineageClaim) -> LineageClaim:
    """Two names for one parent: the live, surer one speaks; the dates span both."""
    first, second = sorted((one, two), key=lambda t: (t.valid_to is not None, -t.confidence, t.mention, t.evidence))
    return first._replace(
        first_seen=min(first.first_seen, second.first_seen),
        last_seen=max(first.last_seen, second.last_seen),
        valid_to=None if first.valid_to is None or second.valid_to is None else max(first.valid_to, second.valid_to),
    )


def _without_cycles(testimony: list[LineageClaim], models: Mapping[str, NameEvidence]) -> list[LineageClaim]:
    """Mark the claims that close a cycle.

    In each knot, claims are taken from the oldest child to the youngest (unknown dates first, then by ids); one whose
    parent already descends from its child is marked.
    """
    edges: dict[str, list[str]] = defaultdict(list)
    for item in testimony:
        if is_active(item):
            edges[item.child].append(item.parent)
    component = {node: number for number, nodes in enumerate(strongly_connected(edges)) for node in nodes}
    unknown = NameEvidence(0, None)

    def age(item: LineageClaim) -> tuple[str, str, str]:
        return (models.get(item.child, unknown).created_at or _EARLIEST, item.child, item.parent)

    inside = [
        item
        for item in testimony
        if is_active(item) and item.child in component and component.get(item.parent) == component[item.child]
    ]
    kept: dict[str, list[str]] = defaultdict(list)
    closing: set[tuple[str, str]] = set()
    for item in sorted(inside, key=age):
        if _is_reachable(kept, item.parent, item.child):
            closing.add((item.child, item.parent))
        else:
            kept[item.child].append(item.parent)
    return [
        item._replace(resolution=Resolution.CYCLE) if (item.child, item.parent) in closing else item
        for item in testimony
    ]


def _is_reachable(edges: Mapping[str, list[str]], start: str, goal: str) -> bool:
    seen, queue = {start}, [start]
    while queue:
        node = queue.pop()
        if node == goal:
            return True
        for parent in edges.get(node, ()):
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)
    return False


def fuse_claims(
    testimony: Iterable[LineageClaim], charted: Mapping[str, ChartedModel] | None = None
) -> Iterator[LineageEdge]:
    """Fuse the testimony of every child.

    Args:
        testimony: Of any children.
        charted: Family and content of each model whose weights were charted.
    """
    by_child: dict[str, list[LineageClaim]] = defaultdict(list)
    for item in testimony:
        by_child[item.child].append(item)
    for child in sorted(by_child):
        yield from fuse_child(by_child[child], charted)
