"""Writes records: created in bulk in an empty store, read, merged and written back in any other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_db.claims.undo import EdgeBefore, NodeBefore, UndoFile
from atlas_db.core.records import HubRecord
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import RecordKind, RecordPart, Source
from atlas_db.store.bolt import Transaction
from atlas_db.store.bulk.first_load import NewGraph
from atlas_db.store.statements import (
    create_edges,
    create_nodes,
    ensure_nodes,
    merge_edges,
    read_edges,
    read_nodes,
    replace_nodes,
)
from ingest.load.load_report import LoadReport
from ingest.load.record_merge import Properties, claim_properties, merge_claims, merge_node
from ingest.normalise import license_ids

LABELS = {RecordKind.MODEL: "Model", RecordKind.DATASET: "Dataset"}
TARGET_LABELS = {(rel.type, source): target for rel in SCHEMA.claims for source, target in rel.ends}
CLAIM_TYPES = {
    label: [rel.type for rel in SCHEMA.claims if any(source == label for source, _ in rel.ends)]
    for label in LABELS.values()
}


@dataclass(frozen=True, slots=True)
class MergedRecord:
    """One record with the date of its snapshot and the properties of its node."""

    record: HubRecord
    as_of: str
    node: Properties

    @property
    def label(self) -> str:
        """Label of the node."""
        return LABELS[self.record.kind]


def value_node(label: str, identifier: str) -> Properties:
    """Return the properties of the node of a claimed value."""
    if label == "License":
        return dict(license_ids.license_properties(identifier))
    if label == "Dataset":
        return {"id": identifier, "name": identifier.rpartition("/")[2], "placeholder": True}
    return {"id": identifier}


class RecordCreator:
    """Creates records in a store that was empty before this load.

    Attributes:
        late: Values of the labels whose nodes the caller creates, by label.

    Args:
        run_id: The run.
        report: Counts of the load.
        late: These labels.
    """

    def __init__(self, run_id: str, report: LoadReport, *, late: Sequence[str] = ()) -> None:
        self.late: dict[str, set[str]] = {label: set() for label in late}
        self._run_id = run_id
        self._report = report
        self._known: dict[str, set[str]] = defaultdict(set)

    def new_values(self, target: str, ids: Iterable[str]) -> list[Properties]:
        """Return the nodes of values that were not named before."""
        if target in self.late:
            self.late[target].update(ids)
            return []
        new = sorted(set(ids) - self._known[target])
        self._known[target].update(new)
        return [value_node(target, identifier) for identifier in new]

    def prepare(self, entries: Sequence[MergedRecord]) -> list[tuple[str, Any]]:
        """Return the statement arguments of records of one label; each id occurs once and is new to the store."""
        label = entries[0].label
        arguments: list[tuple[str, Any]] = [("nodes", (label, [entry.node for entry in entries]))]
        values: dict[str, set[str]] = defaultdict(set)
        groups: dict[tuple[str, tuple[RecordPart, ...], str], list[list[Any]]] = defaultdict(list)
        for entry in entries:
            self._collect(entry, values, groups)
        authors = [[entry.record.id, entry.node["author"]] for entry in entries if "author" in entry.node]
        values["Author"].update(author for _, author in authors)
        for target, ids in values.items():
            if new := self.new_values(target, ids):
                arguments.append(("values", (target, new)))
        arguments.append(("edges", ("PUBLISHED_BY", label, "Author", authors, {})))
        for (rel, parts, as_of), rows in groups.items():
            common = claim_properties({part: (as_of, as_of) for part in parts}, {}, 1.0)
            del common["confidence"]
            arguments.append(
                ("edges", (rel, label, TARGET_LABELS[rel, label], rows, {**common, "run_id": self._run_id}))
            )
            self._report.claims["created"] += len(rows)
            self._report.claims_by_type[rel] += len(rows)
        self._report.nodes["created"] += len(entries)
        return arguments

    def _collect(
        self,
        entry: MergedRecord,
        values: dict[str, set[str]],
        groups: dict[tuple[str, tuple[RecordPart, ...], str], list[list[Any]]],
    ) -> None:
        claims = entry.record.claims
        if len(entry.record.parts) < 2:
            for claim in claims:
                values[TARGET_LABELS[claim.rel, entry.label]].add(claim.value)
                groups[claim.rel, (claim.part,), entry.as_of].append([entry.record.id, claim.value, claim.confidence])
            return
        parts: dict[tuple[str, str], list[RecordPart]] = defaultdict(list)
        confidence: dict[tuple[str, str], float] = {}
        for claim in claims:
            key = (claim.rel, claim.value)
            parts[key].append(claim.part)
            confidence[key] = max(confidence.get(key, 0.0), claim.confidence)
        for (rel, value), stated in parts.items():
            values[TARGET_LABELS[rel, entry.label]].add(value)
            groups[rel, tuple(sorted(stated)), entry.as_of].append([entry.record.id, value, confidence[rel, value]])

    @staticmethod
    def write_arguments(arguments: Iterable[tuple[str, Any]], tx: Transaction) -> None:
        """Write the arguments of `prepare` in one transaction."""
        for what, values in arguments:
            if what == "nodes":
                tx.run_batch(create_nodes(values[0]), values[1])
            elif what == "values":
                tx.run_batch(ensure_nodes(values[0]), values[1])
            else:
                rel, source, target, rows, common = values
                names = ("confidence",) if common else ()
                if rows:
                    tx.run_batch(create_edges(rel, source, target, names, tuple(common)), rows, common=common)

    @staticmethod
    def add_to_batch(arguments: Iterable[tuple[str, Any]], batch: NewGraph) -> None:
        """Add the arguments of `prepare` to a batch."""
        for what, values in arguments:
            if what == "edges":
                rel, source, target, rows, common = values
                batch.edges(rel, source, target, rows, ("confidence",) if common else (), common)
            else:
                for props in values[1]:
                    batch.node(values[0], props)


class RecordMerger:
    """Merges records with those of the store and writes only the differences."""

    def __init__(self, run_id: str, report: LoadReport, undo: UndoFile | None, *, dry_run: bool) -> None:
        self._run_id = run_id
        self._report = report
        self._undo = undo
        self._dry_run = dry_run

    def write(self, tx: Transaction, items: Sequence[tuple[HubRecord, str]]) -> list[Properties]:
        """Merge records of one label, each id once, in one transaction. Returns the merged nodes.

        A transient error restarts it, so `count` adds the counts after the commit.
        """
        label = LABELS[items[0][0].kind]
        ids = [record.id for record, _ in items]
        nodes = {row["id"]: row["props"] for row in tx.run(read_nodes(label), ids=ids)}
        claims = self._read_claims(tx, label, ids)
        changes = Changes(label)
        after = []
        for record, as_of in items:
            node = merge_node(nodes.get(record.id), record, as_of)
            after.append(node)
            changes.node(nodes.get(record.id), node)
            merged = merge_claims(claims[record.id], record.claims, node, as_of)
            changes.claims(record.id, claims[record.id], merged, self._run_id)
        if not self._dry_run:
            self._write_changes(tx, changes)
        self._pending = changes
        return after

    def count(self) -> None:
        """Add the last batch to the report."""
        self._pending.add_to(self._report)

    def _read_claims(
        self, tx: Transaction, label: str, ids: Sequence[str]
    ) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
        found: dict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        for rel in CLAIM_TYPES[label]:
            for row in tx.run(read_edges(rel, label, TARGET_LABELS[rel, label]), ids=ids):
                if row["props"]["source"] == Source.DECLARED:
                    found[row["a"]][rel, row["b"]] = row["props"]
        return found

    def _write_changes(self, tx: Transaction, changes: Changes) -> None:
        if self._undo is not None and changes.before:
            self._undo.append(changes.before)
        label = changes.label
        if changes.nodes:
            tx.run_batch(replace_nodes(label), changes.nodes)
        for target, ids in changes.values.items():
            tx.run_batch(ensure_nodes(target), [value_node(target, identifier) for identifier in sorted(ids)])
        if changes.authors:
            tx.run_batch(merge_edges("PUBLISHED_BY", label, "Author"), changes.authors)
        for rel, rows in changes.edges.items():
            tx.run_batch(merge_edges(rel, label, TARGET_LABELS[rel, label]), rows)


class Changes:
    """Changes of one batch of merged records."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.nodes: list[Properties] = []
        self.authors: list[Properties] = []
        self.values: dict[str, set[str]] = defaultdict(set)
        self.edges: dict[str, list[Properties]] = defaultdict(list)
        self.before: list[NodeBefore | EdgeBefore] = []
        self.counted: dict[str, int] = defaultdict(int)
        self.by_type: dict[str, int] = defaultdict(int)

    def add_to(self, report: LoadReport) -> None:
        """Add the counts to a report."""
        for key, number in self.counted.items():
            what, how = key.split(".")
            getattr(report, what)[how] += number
        report.claims_by_type.update(self.by_type)

    def node(self, old: Mapping[str, Any] | None, new: Properties) -> None:
        """Add a node before and after its record."""
        if old == new:
            self.counted["nodes.unchanged"] += 1
            return
        fresh = old is None or not old.get("snapshots")
        self.counted["nodes.created" if fresh else "nodes.changed"] += 1
        self.nodes.append(new)
        self.before.append(NodeBefore(self.label, new["id"], dict(old) if old is not None else None))
        # Merged again: an interrupted load can have written the node without its edge.
        if "author" in new:
            self.values["Author"].add(new["author"])
            self.authors.append({"a": new["id"], "b": new["author"], "set": {}})

    def claims(
        self,
        identifier: str,
        old: Mapping[tuple[str, str], Mapping[str, Any]],
        new: Mapping[tuple[str, str], Properties],
        run_id: str,
    ) -> None:
        """Add the claims of a node before and after its record, by relationship type and value."""
        for (rel, value), props in new.items():
            self.by_type[rel] += 1
            known = old.get((rel, value))
            if known is not None and {**known, "run_id": ""} == {**props, "run_id": ""}:
                self.counted["claims.unchanged"] += 1
                continue
            self.counted["claims.changed" if known else "claims.created"] += 1
            target = TARGET_LABELS[rel, self.label]
            self.values[target].add(value)
            self.edges[rel].append({"a": identifier, "b": value, "set": {**props, "run_id": run_id}})
            self.before.append(EdgeBefore(rel, self.label, target, identifier, value, dict(known) if known else None))
