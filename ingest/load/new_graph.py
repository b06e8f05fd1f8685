"""Records on their way into an empty graph of which nothing is read back: each node is added once, when it is whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from atlas_db.claims.declared_parents import ParentDeclaration, parent_declarations
from atlas_db.claims.model_names import NameEvidence
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind
from atlas_db.store.bulk.first_load import NewGraph
from ingest.load.load_report import LoadReport
from ingest.load.record_merge import Properties, merge_claims, merge_node
from ingest.load.write_records import LABELS, TARGET_LABELS, Changes, MergedRecord, RecordCreator, value_node

Claims = dict[tuple[str, str], Properties]


def collect_facts(
    node: Properties, models: dict[str, NameEvidence], declarations: dict[str, list[ParentDeclaration]]
) -> None:
    """Keep what the resolution of parents needs of a model.

    Args:
        node: Properties of the model.
        models: Evidence on names, by model; the model is added.
        declarations: Declarations of parents, by child; those of the model are added.
    """
    models[node["id"]] = NameEvidence(node.get("downloads") or 0, node.get("created_at"), node["last_seen"])
    if node.get("declared_parents") or node.get("weights_declared_parents"):
        declarations[node["id"]] = parent_declarations(node)


class _Repository(NamedTuple):
    """A repository of which more records may come."""

    node: Properties
    claims: Claims


class NewGraphWriter:
    """Adds repositories with their claims, and the values that they name.

    Attributes:
        models: Evidence on the names of models, for the resolution of parents.
        declarations: Declarations of parents, by child.

    Args:
        out: Where nodes and edges go.
        report: Counts of the load.
        rows: Records that are prepared together.
    """

    def __init__(self, out: NewGraph, report: LoadReport, rows: int) -> None:
        self.models: dict[str, NameEvidence] = {}
        self.declarations: dict[str, list[ParentDeclaration]] = {}
        self._out, self._report, self._rows = out, report, rows
        self._creator = RecordCreator(report.run_id, report, late=("Dataset",))
        self._batches: dict[RecordKind, list[MergedRecord]] = defaultdict(list)
        self._held: dict[tuple[str, str], _Repository] = {}
        self._datasets: set[str] = set()

    def write(
        self, records: Iterable[tuple[HubRecord, str]], repeated: Container[str] = frozenset()
    ) -> list[tuple[HubRecord, str]]:
        """Add records.

        Args:
            records: Records, each with the date of its snapshot.
            repeated: Ids whose records are merged in memory and added last.

        Returns:
            Other records whose repository was added already.
        """
        rest: list[tuple[HubRecord, str]] = []
        for record, as_of in records:
            if record.id in repeated:
                self._hold(record, as_of)
                continue
            if record.id in (self._datasets if record.kind is RecordKind.DATASET else self.models):
                rest.append((record, as_of))
                continue
            node = merge_node(None, record, as_of)
            self._collect_facts(record.kind, node)
            batch = self._batches[record.kind]
            batch.append(MergedRecord(record, as_of, node))
            if len(batch) >= self._rows:
                self._flush(batch)
        for batch in self._batches.values():
            if batch:
                self._flush(batch)
        for (label, _), repository in self._held.items():
            self._add_held(label, repository)
        # A dataset may have a record after the models that name it.
        for identifier in sorted(self._creator.late["Dataset"] - self._datasets):
            self._out.node("Dataset", value_node("Dataset", identifier))
        self._out.flush()
        return rest

    def _flush(self, batch: list[MergedRecord]) -> None:
        RecordCreator.add_to_batch(self._creator.prepare(batch), self._out)
        batch.clear()

    def _collect_facts(self, kind: RecordKind, node: Properties) -> None:
        if kind is RecordKind.DATASET:
            self._datasets.add(node["id"])
            return
        collect_facts(node, self.models, self.declarations)

    def _hold(self, record: HubRecord, as_of: str) -> None:
        """Merge a record with those before it, and count what that changes."""
        label = LABELS[record.kind]
        old = self._held.get((label, record.id))
        known: Claims = old.claims if old else {}
        node = merge_node(old.node if old else None, record, as_of)
        claims = merge_claims(known, record.claims, node, as_of)
        changes = Changes(label)
        changes.node(old.node if old else None, node)
        changes.claims(record.id, known, claims, self._report.run_id)
        changes.add_to(self._report)
        self._held[label, record.id] = _Repository(node, claims)

    def _add_held(self, label: str, repository: _Repository) -> None:
        node, claims = repository
        self._collect_facts(RecordKind.DATASET if label == "Dataset" else RecordKind.MODEL, node)
        self._out.node(label, node)
        if "author" in node:
            self._add_values("Author", [node["author"]])
            self._out.edges("PUBLISHED_BY", label, "Author", [[node["id"], node["author"]]])
        for (rel, value), props in claims.items():
            target = TARGET_LABELS[rel, label]
            self._add_values(target, [value])
            common: dict[str, Any] = {**props, "run_id": self._report.run_id}
            row = [node["id"], value, common.pop("confidence")]
            self._out.edges(rel, label, target, [row], ("confidence",), common)

    def _add_values(self, target: str, ids: list[str]) -> None:
        for props in self._creator.new_values(target, ids):
            self._out.node(target, props)
