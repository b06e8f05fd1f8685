"""Synchronises the lineage layers of the store: resolve all declarations, fuse all claims, write the difference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from atlas_db.claims.declared_parents import ParentDeclaration, parent_declarations
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.records import ChartedModel, LineageClaim, LineageEdge
from atlas_db.core.terms import Relation, Resolution, Source, Status
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.bulk.first_load import NewGraph
from atlas_db.store.statements import (
    all_edges,
    all_nodes,
    create_edges,
    delete_edges,
    delete_nodes,
    ensure_nodes,
    merge_edges,
    orphans,
)

_ENDS = ("Model", "Model")
_CLAIM = (
    "source", "relation", "confidence", "method", "mention", "resolution", "evidence", "first_seen", "last_seen",
    "valid_to", "run_id",
)  # fmt: skip
_CLAIM_WRITTEN = tuple(name for name in _CLAIM if name not in ("run_id", "source", "method"))
_EDGE = ("relation", "confidence", "status", "sources")
_EDGE_WRITTEN = (*_EDGE, "active")
Pair = tuple[str, str]


class LineageCounts(NamedTuple):
    """Counts of one synchronisation of lineage.

    Attributes:
        parents: Declared claims by resolution, over the whole graph.
        edges: Lineage edges by relation, over the whole graph.
        changes: Claims and edges created, changed, removed.
    """

    parents: Counter[str]
    edges: Counter[str]
    changes: Counter[str]


@dataclass(frozen=True, slots=True)
class WriteContext:
    """How lineage is written.

    Attributes:
        run_id: Run that writes.
        rows: Initial number of children per batch.
        fresh: True where the store holds no lineage yet.
        dry_run: True where nothing is written.
        before_write: Called before the first write, to wait for work that runs in parallel with the resolution.
        batch: Where a first load adds all models that have a record; None where Cypher writes.
    """

    run_id: str
    rows: int
    fresh: bool = False
    dry_run: bool = False
    before_write: Callable[[], object] = lambda: None
    batch: NewGraph | None = None


def read_name_evidence(store: Store) -> tuple[dict[str, NameEvidence], dict[str, list[ParentDeclaration]]]:
    """Read the input of resolution from the store: evidence on all models, and all declarations of parents."""
    models = {
        identifier: NameEvidence(downloads or 0, created, seen or "")
        for identifier, downloads, created, seen, placeholder in store.fetch_all(
            all_nodes("Model", ("id", "downloads", "created_at", "last_seen", "placeholder"))
        )
        if not placeholder
    }
    names = ("id", "snapshots", "declared_parents", "weights_declared_parents")
    declarations: dict[str, list[ParentDeclaration]] = {}
    for having in names[2:]:
        for values in store.fetch_all(all_nodes("Model", names, having=having)):
            declarations[values[0]] = parent_declarations(dict(zip(names, values, strict=True)))
    return models, declarations


def synchronise_lineage(
    store: Store,
    models: Mapping[str, NameEvidence],
    declarations: Iterable[ParentDeclaration],
    context: WriteContext,
) -> LineageCounts:
    """Resolve all declarations, fuse all claims, and write the difference to the store.

    Args:
        store: The store.
        models: Evidence on all models with a record.
        declarations: All declarations of parents.
        context: How to write.
    """
    if context.batch is not None:
        return add_lineage(context.batch, models, declarations, context.run_id, context.before_write)
    declared = resolve_declarations(models, declarations)
    old = [] if context.fresh else read_lineage_claims(store)
    others = [item for item in old if item.source is not Source.DECLARED]
    edges = list(fuse_claims([*declared, *others], {} if context.fresh else read_charted_models(store)))
    counts = LineageCounts(
        Counter(item.resolution.value for item in declared), Counter(edge.relation.value for edge in edges), Counter()
    )
    context.before_write()
    if context.fresh and not context.dry_run:
        _create(store, models, declared, edges, context)
        counts.changes["created"] += len(declared) + len(edges)
        return counts
    known = [item for item in old if item.source is Source.DECLARED]
    old_edges = {} if context.fresh else read_lineage_edges(store)
    difference = LineageDiff(Source.DECLARED, declared, known, edges, old_edges, context.run_id)
    counts.changes.update(difference.counts)
    if not context.dry_run:
        difference.write(store, models, context.rows)
        delete_orphans(store, context.rows)
    return counts


def delete_orphans(store: Store, rows: int) -> None:
    """Delete placeholders of models and datasets that no claim names any more."""
    for label in ("Model", "Dataset"):
        gone = [row["id"] for row in store.read(orphans(label))]
        Batches(store, rows).run(gone, partial(_delete, label))


def _delete(label: str, tx: Transaction, ids: Sequence[str]) -> None:
    tx.run_batch(delete_nodes(label), ids)


def read_charted_models(store: Store) -> dict[str, ChartedModel]:
    """Read the family by weights of each charted model, and the hash of its weights."""
    rows = store.fetch_all(all_nodes("Model", ("id", "weights_family", "weights_hash"), having="weights_family"))
    return {model: ChartedModel(family, content or "") for model, family, content in rows}


def read_lineage_claims(store: Store) -> list[LineageClaim]:
    """Read all lineage claims of every source."""
    found = []
    for child, parent, *values in store.fetch_all(all_edges("CLAIMS_PARENT", *_ENDS, _CLAIM)):
        row = dict(zip(_CLAIM, values, strict=True))
        row |= {
            "source": Source(row["source"]),
            "relation": Relation(row["relation"]),
            "resolution": Resolution(row["resolution"]),
        }
        found.append(LineageClaim(child=child, parent=parent, **row))
    return found


def read_lineage_edges(store: Store) -> dict[Pair, LineageEdge]:
    """Read all fused edges."""
    return {
        (child, parent): LineageEdge(
            child, parent, Relation(relation), confidence, Status(status), tuple(Source(source) for source in sources)
        )
        for child, parent, relation, confidence, status, sources in store.fetch_all(
            all_edges("DERIVED_FROM", *_ENDS, _EDGE)
        )
    }


def claim_properties(item: LineageClaim, run_id: str) -> dict[str, Any]:
    """Return the properties of a CLAIMS_PARENT relationship."""
    props = {name: getattr(item, name) for name in _CLAIM if name != "run_id"}
    return {
        **{name: str(v) if hasattr(v, "value") else v for name, v in props.items() if v is not None},
        "run_id": run_id,
    }


def edge_properties(edge: LineageEdge) -> dict[str, Any]:
    """Return the properties of a DERIVED_FROM relationship."""
    return {
        "relation": edge.relation.value,
        "confidence": edge.confidence,
        "status": edge.status.value,
        "sources": [source.value for source in edge.sources],
        "active": edge.status is not Status.CONTRADICTED,
    }


def placeholders(parents: Iterable[str], known: Container[str]) -> list[dict[str, Any]]:
    """Return placeholder nodes for parents without a record."""
    names = sorted({parent for parent in parents if parent not in known})
    return [{"id": name, "name": name.rpartition("/")[2], "placeholder": True} for name in names]


def _create(
    store: Store,
    models: Mapping[str, NameEvidence],
    declared: Sequence[LineageClaim],
    edges: Sequence[LineageEdge],
    context: WriteContext,
) -> None:
    """Write both layers into a store without lineage; claims and edges of a child go into one transaction."""
    by_child: dict[str, tuple[list[LineageClaim], list[LineageEdge]]] = defaultdict(lambda: ([], []))
    for item in declared:
        by_child[item.child][0].append(item)
    for edge in edges:
        by_child[edge.child][1].append(edge)

    def work(tx: Transaction, children: Sequence[str]) -> None:
        claims = [item for child in children for item in by_child[child][0]]
        fused = [edge for child in children for edge in by_child[child][1]]
        tx.run_batch(ensure_nodes("Model"), placeholders((item.parent for item in claims), models))
        for common, values in _by_method(claims, context.run_id):
            statement = create_edges("CLAIMS_PARENT", *_ENDS, _CLAIM_WRITTEN, tuple(common))
            tx.run_batch(statement, values, common=common)
        tx.run_batch(create_edges("DERIVED_FROM", *_ENDS, _EDGE_WRITTEN), _edge_rows(fused))

    Batches(store, context.rows).run(sorted(by_child), work)


def add_lineage(
    batch: NewGraph,
    models: Mapping[str, NameEvidence],
    declarations: Iterable[ParentDeclaration],
    run_id: str,
    before_write: Callable[[], object] = lambda: None,
) -> LineageCounts:
    """Resolve all declarations, fuse all claims, and add both layers to a graph without lineage.

    Args:
        batch: The graph, with all models that have a record.
        models: Evidence on these models.
        declarations: All declarations of parents.
        run_id: Run that writes.
        before_write: Called before the first write.
    """
    declared = resolve_declarations(models, declarations)
    edges = list(fuse_claims(declared))
    before_write()
    for props in placeholders((item.parent for item in declared), models):
        batch.node("Model", props)
    for common, values in _by_method(declared, run_id):
        batch.edges("CLAIMS_PARENT", *_ENDS, values, _CLAIM_WRITTEN, common)
    batch.edges("DERIVED_FROM", *_ENDS, _edge_rows(edges), _EDGE_WRITTEN)
    batch.flush()
    return LineageCounts(
        Counter(item.resolution.value for item in declared), Counter(edge.relation.value for edge in edges),
        Counter(created=len(declared) + len(edges)),
    )  # fmt: skip


def _by_method(claims: Iterable[LineageClaim], run_id: str) -> Iterator[tuple[dict[str, str], list[list[Any]]]]:
    """Yield the properties that claims of a method share, and of each claim both ends and `_CLAIM_WRITTEN`."""
    groups: dict[str, list[list[Any]]] = defaultdict(list)
    for item in claims:
        values = (getattr(item, name) for name in _CLAIM_WRITTEN)
        groups[item.method].append([item.child, item.parent, *(str(v) if hasattr(v, "value") else v for v in values)])
    for method, rows in groups.items():
        yield {"source": Source.DECLARED.value, "run_id": run_id, "method": method}, rows


def _edge_rows(edges: Iterable[LineageEdge]) -> list[list[Any]]:
    """Return of each edge both ends and `_EDGE_WRITTEN`."""
    return [[edge.child, edge.parent, *edge_properties(edge).values()] for edge in edges]


class LineageDiff:
    """Difference between the lineage in the store and the wanted one, by child.

    Attributes:
        counts: Claims and edges created, changed, removed.
    """

    def __init__(
        self,
        source: Source,
        wanted_claims: Sequence[LineageClaim],
        old_claims: Iterable[LineageClaim],
        edges: Sequence[LineageEdge],
        old_edges: Mapping[Pair, LineageEdge],
        run_id: str,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._work: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        wanted = {(item.child, item.parent, item.method): item for item in wanted_claims}
        old = {(item.child, item.parent, item.method): item for item in old_claims}
        for (child, parent, _), item in wanted.items():
            before = old.get((child, parent, item.method))
            if before is None or before._replace(run_id="") != item:
                self.counts["changed" if before else "created"] += 1
                self._add("claims", (child, parent), claim_properties(item, run_id))
        for child, parent, method in old.keys() - wanted.keys():
            self.counts["removed"] += 1
            self._add("removed_claims", (child, parent), {"source": source.value, "method": method})
        fused = {(edge.child, edge.parent): edge for edge in edges}
        for pair, edge in fused.items():
            if old_edges.get(pair) != edge:
                self.counts["changed" if pair in old_edges else "created"] += 1
                self._add("edges", pair, edge_properties(edge))
        for pair in old_edges.keys() - fused.keys():
            self.counts["removed"] += 1
            self._add("removed_edges", pair, {})

    def _add(self, what: str, pair: Pair, props: dict[str, Any]) -> None:
        self._work[pair[0]][what].append({"a": pair[0], "b": pair[1], "set": props})

    def write(self, store: Store, known: Container[str], rows: int) -> None:
        """Write the difference; all changes of a child go into one transaction.

        Args:
            store: The store.
            known: Models that have a node.
            rows: Initial number of children per transaction.
        """

        def work(tx: Transaction, children: Sequence[str]) -> None:
            lists: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for child in children:
                for what, changes in self._work[child].items():
                    lists[what] += changes
            tx.run_batch(ensure_nodes("Model"), placeholders((row["b"] for row in lists["claims"]), known))
            tx.run_batch(delete_edges("CLAIMS_PARENT", *_ENDS), lists["removed_claims"])
            tx.run_batch(merge_edges("CLAIMS_PARENT", *_ENDS), lists["claims"])
            tx.run_batch(delete_edges("DERIVED_FROM", *_ENDS), lists["removed_edges"])
            tx.run_batch(merge_edges("DERIVED_FROM", *_ENDS), lists["edges"])

        Batches(store, rows).run(sorted(self._work), work)
