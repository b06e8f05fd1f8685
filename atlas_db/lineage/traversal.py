"""Ancestors and descendants of a model by breadth-first search; paths are never enumerated.

Each step is one query over the whole frontier. A chain of depth 40 costs 40 queries; a ladder with 3^29 paths costs
30.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from atlas_db.core.errors import InputError, ModelNotFoundError
from atlas_db.lineage.newest_records import read_newest_records
from atlas_db.lineage.weights_record import Knowledge, describe_weights, knowledge_of
from atlas_db.store.bolt import Row, Store
from atlas_db.store.contents import empty_store_error, is_empty, similar_models
from atlas_db.store.statements import Statement

STEPS = ("direction", "hops", "child", "parent", "relation", "status", "confidence", "license", "downloads")
"""Columns of a lineage as a table."""
CHILDREN_SHOWN = 5
"""Children that are listed per relation before the rest is summarised."""
MAX_DEPTH = 1000
MODEL_BY_ID = Statement("MATCH (m:Model {id: $id}) RETURN properties(m) AS props")
STEPS_UP = Statement(
    "UNWIND $ids AS id MATCH (m:Model {id: id})-[r:DERIVED_FROM]->(p:Model) "
    "WHERE r.confidence >= $min_confidence AND (r.active OR $contradicted) "
    "OPTIONAL MATCH (m)-[t:CLAIMS_PARENT {resolution: 'gone'}]->(p) WHERE t.valid_to IS NULL "
    "WITH m, r, p, count(t) > 0 AS gone "
    "RETURN m.id AS child, p.id AS parent, r.relation AS relation, r.status AS status, r.confidence AS confidence, "
    "p.license AS license, p.downloads AS downloads, p.placeholder AS placeholder, "
    "p.weights_hash IS NOT NULL AS charted, gone, CASE WHEN gone THEN p.last_seen END AS last_seen "
    "ORDER BY child, parent"
)
STEPS_DOWN = Statement(
    "UNWIND $ids AS id MATCH (m:Model {id: id})<-[r:DERIVED_FROM]-(c:Model) "
    "WHERE r.confidence >= $min_confidence AND (r.active OR $contradicted) "
    "RETURN c.id AS child, m.id AS parent, r.relation AS relation, r.status AS status, r.confidence AS confidence, "
    "c.license AS license, c.downloads AS downloads, c.placeholder AS placeholder, "
    "c.weights_hash IS NOT NULL AS charted ORDER BY parent, child"
)
_CHILD_COUNTS = Statement(
    "MATCH (m:Model {id: $id})<-[r:DERIVED_FROM]-(c:Model) WHERE r.active OR $contradicted "
    "RETURN r.relation AS relation, count(r) AS number ORDER BY number DESC, relation"
)
_TOP_CHILDREN = Statement(
    "MATCH (m:Model {id: $id})<-[r:DERIVED_FROM {relation: $relation}]-(c:Model) WHERE r.active OR $contradicted "
    "RETURN c.id AS child, m.id AS parent, r.relation AS relation, r.status AS status, r.confidence AS confidence, "
    "c.license AS license, coalesce(c.downloads, 0) AS downloads, c.placeholder AS placeholder, "
    "c.weights_hash IS NOT NULL AS charted "
    "ORDER BY downloads DESC, child LIMIT $limit"
)
_HAVE_CHILDREN = Statement(
    "UNWIND $ids AS id MATCH (m:Model {id: id})<-[:DERIVED_FROM]-(:Model) RETURN DISTINCT m.id AS id"
)


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One edge of a traversal.

    Attributes:
        child: Child id.
        parent: Parent id.
        relation: Relation of the edge.
        status: Agreement of its sources.
        confidence: 0..1.
        hops: Distance from the start model, from 1.
        license: Declared licence of the far end.
        downloads: Downloads of the far end.
        placeholder: True where no record of the far end was loaded.
        charted: True where its weights were charted.
        gone: Of a parent, True where the child's card names it and the Hub's list of parents no longer does.
        last_seen: Date of the newest record of a parent that is gone, if any.
    """

    child: str
    parent: str
    relation: str
    status: str
    confidence: float
    hops: int
    license: str | None
    downloads: int
    placeholder: bool
    charted: bool = False
    gone: bool = False
    last_seen: str | None = None


@dataclass(slots=True)
class Lineage:
    """Lineage of a model.

    Attributes:
        model: Properties of the model.
        ancestors: Edges upwards, nearest first.
        descendants: Edges downwards, nearest first, then by downloads.
        counts: Numbers of parents, children, ancestors and descendants within the depth; children by relation.
        known: Whether there is a record of the model, its weights alone, or its name alone.
        weights: What its weights show, where there is no record of it.
    """

    model: dict[str, Any]
    ancestors: list[LineageStep] = field(default_factory=list)
    descendants: list[LineageStep] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    known: Knowledge = Knowledge.RECORD
    weights: dict[str, Any] | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return all edges as rows of `STEPS`, ancestors first."""
        steps = [("up", step) for step in self.ancestors] + [("down", step) for step in self.descendants]
        return [{"direction": way, **asdict(step)} for way, step in steps]


def degree_summary(counts: Mapping[str, Any]) -> str:
    """Return the numbers of parents and children of a lineage as text."""
    parents, children = counts["parents"], counts["children"]
    return f"{parents:,} parent{'' if parents == 1 else 's'}, {children:,} child{'' if children == 1 else 'ren'}"


@dataclass(frozen=True, slots=True)
class ChildGroup:
    """The children of a model by one relation.

    Attributes:
        relation: The relation.
        count: Number of children.
        steps: The most downloaded children.
    """

    relation: str
    count: int
    steps: list[LineageStep]


def lineage(
    store: Store, model: str, *, depth: int = 1, min_confidence: float = 0.0, contradicted: bool = False
) -> Lineage:
    """Return the lineage of a model within a depth.

    Args:
        store: An open store.
        model: Model id.
        depth: Steps in each direction; 0 has no limit.
        min_confidence: Edges below this are ignored.
        contradicted: Include contradicted edges.

    Raises:
        ModelNotFoundError: There is no such model; similar ids are suggested.
    """
    found = Lineage(properties_of(store, model))
    found.known = knowledge_of(found.model)
    if found.known is Knowledge.WEIGHTS:
        found.weights = describe_weights(store, found.model)
    limits = {"min_confidence": min_confidence, "contradicted": contradicted}
    found.ancestors = _walk(store, STEPS_UP, model, "parent", depth, limits)
    found.descendants = _walk(store, STEPS_DOWN, model, "child", depth, limits)
    found.descendants.sort(key=lambda step: (step.hops, -step.downloads, step.child))
    direct = [step for step in found.descendants if step.hops == 1]
    found.counts = {
        "parents": len({step.parent for step in found.ancestors if step.hops == 1}),
        "children": len({step.child for step in direct}),
        "ancestors": len({step.parent for step in found.ancestors}),
        "descendants": len({step.child for step in found.descendants}),
        "children_by_relation": dict(Counter(step.relation for step in direct).most_common()),
        "depth": depth,
    }
    return found


def properties_of(store: Store, model: str) -> dict[str, Any]:
    """Return the properties of a model.

    Raises:
        ModelNotFoundError: There is no such model; similar ids are suggested.
    """
    rows = store.read(MODEL_BY_ID, id=model)
    if not rows:
        raise not_found_error(store, model)
    props: dict[str, Any] = rows[0]["props"]
    return props


def steps_up(store: Store, model: str, *, contradicted: bool = False) -> list[LineageStep]:
    """Return all edges above a model, nearest first."""
    return _walk(store, STEPS_UP, model, "parent", 0, {"min_confidence": 0.0, "contradicted": contradicted})


def child_groups(store: Store, model: str, limit: int, *, contradicted: bool = False) -> list[ChildGroup]:
    """Return the children of a model by relation; of a large group only the most downloaded are read.

    Args:
        store: An open store.
        model: Model id.
        limit: Maximum number of children per relation.
        contradicted: Include contradicted edges.
    """
    found = []
    for row in store.read(_CHILD_COUNTS, id=model, contradicted=contradicted):
        rows = store.read(_TOP_CHILDREN, id=model, contradicted=contradicted, relation=row["relation"], limit=limit)
        found.append(ChildGroup(row["relation"], row["number"], [LineageStep(hops=1, **each) for each in rows]))
    return found


def with_children(store: Store, models: Sequence[str]) -> set[str]:
    """Return the ids of those models that have children."""
    return {row["id"] for row in store.read(_HAVE_CHILDREN, ids=list(models))}


def ancestors(store: Store, model: str, *, min_confidence: float = 0.0) -> dict[str, int]:
    """Return all ancestors of a model with their shortest distance in steps."""
    limits = {"min_confidence": min_confidence, "contradicted": False}
    return _distances(_walk(store, STEPS_UP, model, "parent", 0, limits), "parent")


def descendants(store: Store, model: str, *, min_confidence: float = 0.0) -> dict[str, int]:
    """Return all descendants of a model with their shortest distance in steps."""
    limits = {"min_confidence": min_confidence, "contradicted": False}
    return _distances(_walk(store, STEPS_DOWN, model, "child", 0, limits), "child")


def _distances(steps: Sequence[LineageStep], end: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in steps:
        found.setdefault(getattr(step, end), step.hops)
    return found


def _walk(
    store: Store, statement: Statement, model: str, end: str, depth: int, limits: dict[str, Any]
) -> list[LineageStep]:
    seen, frontier, steps = {model}, [model], []
    for hops in range(1, (depth or MAX_DEPTH) + 1):
        rows: list[Row] = store.read(statement, ids=frontier, **limits) if frontier else []
        if not rows:
            break
        for row in rows:
            row["downloads"] = row["downloads"] or 0
            steps.append(LineageStep(hops=hops, **row))
        frontier = sorted({row[end] for row in rows} - seen)
        seen.update(frontier)
    return steps


def not_found_error(store: Store, model: str) -> InputError:
    """Return the error for a model without a record: others only name it, similar ids, or that the store is empty."""
    if is_empty(store):
        return empty_store_error(store.name)
    newest = read_newest_records(store).words()
    if store.read(MODEL_BY_ID, id=model):
        return ModelNotFoundError(model, newest=newest, named=True)
    return ModelNotFoundError(model, similar_models(store, model), newest=newest)
