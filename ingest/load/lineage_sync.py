"""Brings the lineage layers of the store in line with everything known: resolve, fuse, write the difference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from atlas_db.core.records import ChartedModel, LineageClaim, LineageEdge
from atlas_db.core.terms import Relation, Resolution, Source, Status
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
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
from ingest.load.load_report import LoadReport
from ingest.load.record_merge import parent_declarations
from ingest.load.resolve import ParentDeclaration, fuse_claims, resolve_declarations
from ingest.normalise.model_names import NameEvidence

_ENDS = ("Model", "Model")
_CLAIM = (
    "source", "relation", "confidence", "method", "mention", "resolution", "evidence", "first_seen", "last_seen",
    "valid_to", "run_id",
)  # fmt: skip
_EDGE = ("relation", "confidence", "status", "sources")
_EDGE_WRITTEN = (*_EDGE, "active")
Pair = tuple[str, str]


def read_facts(store: Store) -> tuple[dict[str, NameEvidence], dict[str, list[ParentDeclaration]]]:
    """Read what resolution needs from the store: facts of all models, statements of those that name parents."""
    facts = {
        identifier: NameEvidence(downloads or 0, created)
        for identifier, downloads, created, placeholder in store.fetch_all(
            all_nodes("Model", ("id", "downloads", "created_at", "placeholder"))
        )
        if not placeholder
    }
    stating = store.fetch_all(all_nodes("Model", ("id", "declared_parents", "snapshots"), having="declared_parents"))
    statements = {
        identifier: parent_declarations({"id": identifier, "declared_parents": stated, "snapshots": snapshots})
        for identifier, stated, snapshots in stating
    }
    return facts, statements


def synchronise_lineage(
    store: Store,
    facts: Mapping[str, NameEvidence],
    statements: Iterable[ParentDeclaration],
    run_id: str,
    report: LoadReport,
    *,
    rows: int,
    fresh: bool,
    dry_run: bool,
    ready: Callable[[], object] = lambda: None,
) -> None:
    """Resolve all statements, fuse all testimony, and write what differs from the store.

    Args:
        store: The store.
        facts: All models with a record.
        statements: All statements about parents.
        run_id: The run that writes.
        report: Gets the counts.
        rows: Children a batch, to begin with.
        fresh: True where the store holds no lineage yet.
        dry_run: True where nothing may be written.
        ready: Called before the first write: whatever it waits for goes on beside the resolution.
    """
    declared = resolve_declarations(facts, statements)
    report.parents = Counter(item.resolution.value for item in declared)
    old = [] if fresh else read_lineage_claims(store)
    others = [item for item in old if item.source is not Source.DECLARED]
    edges = list(fuse_claims([*declared, *others], {} if fresh else read_charted_models(store)))
    report.edges = Counter(edge.relation.value for edge in edges)
    ready()
    if fresh and not dry_run:
        _create(store, facts, declared, edges, run_id, rows)
        report.lineage["created"] += len(declared) + len(edges)
        return
    known = {(item.child, item.parent): item for item in old if item.source is Source.DECLARED}
    plan = LineageDiff(Source.DECLARED, declared, known, edges, {} if fresh else read_lineage_edges(store), run_id)
    report.lineage.update(plan.counts)
    if not dry_run:
        plan.write(store, facts, rows)
        delete_orphans(store, rows)


def delete_orphans(store: Store, rows: int) -> None:
    """Delete names that nobody names any more, and values that nobody has."""
    for label in ("Model", "Dataset"):
        gone = [row["id"] for row in store.read(orphans(label))]
        Batches(store, rows).run(gone, partial(_delete, label))


def _delete(label: str, tx: Transaction, ids: Sequence[str]) -> None:
    tx.run_batch(delete_nodes(label), ids)


def read_charted_models(store: Store) -> dict[str, ChartedModel]:
    """Read which family of weights each charted model is in, and the hash of its weights."""
    rows = store.fetch_all(all_nodes("Model", ("id", "weights_family", "weights_hash"), having="weights_family"))
    return {model: ChartedModel(family, content or "") for model, family, content in rows}


def read_lineage_claims(store: Store) -> list[LineageClaim]:
    """Read all testimony, of any source."""
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
    """Return the nodes of parents that no record answers to."""
    names = sorted({parent for parent in parents if parent not in known})
    return [{"id": name, "name": name.rpartition("/")[2], "placeholder": True} for name in names]


def _create(
    store: Store,
    facts: Mapping[str, NameEvidence],
    declared: Sequence[LineageClaim],
    edges: Sequence[LineageEdge],
    run_id: str,
    rows: int,
) -> None:
    """Write both layers into a store that holds none: testimony and edges of a child in one transaction."""
    by_child: dict[str, tuple[list[LineageClaim], list[LineageEdge]]] = defaultdict(lambda: ([], []))
    for item in declared:
        by_child[item.child][0].append(item)
    for edge in edges:
        by_child[edge.child][1].append(edge)
    names = tuple(name for name in _CLAIM if name not in ("run_id", "source", "method"))

    def work(tx: Transaction, children: Sequence[str]) -> None:
        testimony = [item for child in children for item in by_child[child][0]]
        fused = [edge for child in children for edge in by_child[child][1]]
        tx.run_batch(ensure_nodes("Model"), placeholders((item.parent for item in testimony), facts))
        groups: dict[str, list[list[Any]]] = defaultdict(list)
        for item in testimony:
            values = [getattr(item, name) for name in names]
            groups[item.method].append(
                [item.child, item.parent, *(str(v) if hasattr(v, "value") else v for v in values)]
            )
        for method, values in groups.items():
            common = {"source": Source.DECLARED.value, "run_id": run_id, "method": method}
            tx.run_batch(create_edges("CLAIMS_PARENT", *_ENDS, names, tuple(common)), values, common=common)
        tx.run_batch(
            create_edges("DERIVED_FROM", *_ENDS, _EDGE_WRITTEN),
            [[edge.child, edge.parent, *edge_properties(edge).values()] for edge in fused],
        )

    Batches(store, rows).run(sorted(by_child), work)


class LineageDiff:
    """The difference between what the store holds and what it should hold, by child.

    Attributes:
        counts: Testimony and edges created, changed, removed.
    """

    def __init__(
        self,
        source: Source,
        stated: Sequence[LineageClaim],
        known: Mapping[Pair, LineageClaim],
        edges: Sequence[LineageEdge],
        old_edges: Mapping[Pair, LineageEdge],
        run_id: str,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._work: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        wanted = {(item.child, item.parent): item for item in stated}
        for pair, item in wanted.items():
            before = known.get(pair)
            if before is None or before._replace(run_id="") != item:
                self.counts["changed" if before else "created"] += 1
                self._add("testimony", pair, claim_properties(item, run_id))
        for pair in known.keys() - wanted.keys():
            self.counts["removed"] += 1
            self._add("no_testimony", pair, {"source": source.value})
        fused = {(edge.child, edge.parent): edge for edge in edges}
        for pair, edge in fused.items():
            if old_edges.get(pair) != edge:
                self.counts["changed" if pair in old_edges else "created"] += 1
                self._add("edge", pair, edge_properties(edge))
        for pair in old_edges.keys() - fused.keys():
            self.counts["removed"] += 1
            self._add("no_edge", pair, {})

    def _add(self, what: str, pair: Pair, props: dict[str, Any]) -> None:
        self._work[pair[0]][what].append({"a": pair[0], "b": pair[1], "set": props})

    def write(self, store: Store, known: Container[str], rows: int) -> None:
        """Write the difference: all of a child in one transaction.

        Args:
            store: The store.
            known: Models that have a node.
            rows: Children a transaction.
        """

        def work(tx: Transaction, children: Sequence[str]) -> None:
            lists: dict[str, list[dict[str, Any]]] = defaultdict(list)
            for child in children:
                for what, changes in self._work[child].items():
                    lists[what] += changes
            tx.run_batch(ensure_nodes("Model"), placeholders((row["b"] for row in lists["testimony"]), known))
            tx.run_batch(delete_edges("CLAIMS_PARENT", *_ENDS), lists["no_testimony"])
            tx.run_batch(merge_edges("CLAIMS_PARENT", *_ENDS), lists["testimony"])
            tx.run_batch(delete_edges("DERIVED_FROM", *_ENDS), lists["no_edge"])
            tx.run_batch(merge_edges("DERIVED_FROM", *_ENDS), lists["edge"])

        Batches(store, rows).run(sorted(self._work), work)
