"""`load --export-csv`: the same records, resolved and fused the same way, as Neo4j's offline-import files."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import Progress, RecordKind, RunKind
from atlas_db.store.bulk_import import BulkImportFiles
from ingest.hub.snapshot import find, repeated_ids
from ingest.load import runs
from ingest.load.lineage_sync import edge_props, placeholders, testimony_props
from ingest.load.load_report import LoadReport, RejectFile
from ingest.load.record_merge import Props, merge_claims, merge_node, parent_statements
from ingest.load.resolve import ParentStatement, fuse_all, resolve_all
from ingest.load.stream import LoadOptions, RecordStream
from ingest.load.write_records import LABELS, TARGETS, value_node
from ingest.normalise.model_names import ModelFacts

Claims = dict[tuple[str, str], Props]


def export(paths: list[str], options: LoadOptions, folder: Path, progress: Progress) -> tuple[LoadReport, str]:
    """Write the offline-import files of a first load.

    Args:
        paths: Files, folders, `-`.
        options: As for a load.
        folder: Where the CSV files go.
        progress: Told how far it is.

    Returns:
        The report, and the import command.

    Raises:
        InputError: Nothing readable came in.
    """
    report = LoadReport(run_id=f"{RunKind.LOAD}-offline-{secrets.token_hex(3)}")
    stream = RecordStream(report, options, progress)
    files = stream.dated(find(paths, options.home / "spool"))
    rejects = RejectFile(options.home / "rejects" / f"{report.run_id}.jsonl", report)
    started = runs.now()
    with BulkImportFiles(folder) as out:
        writer = _Export(out, report)
        repeated = repeated_ids(files)
        for record, as_of in stream.records(files, rejects):
            label = LABELS[record.kind]
            key = (label, record.id)
            old_node, old_claims = writer.held.get(key, (None, {}))
            node = merge_node(old_node, record, as_of)
            claims = merge_claims(old_claims, record.claims, node, as_of)
            if record.id in repeated:
                writer.held[key] = (node, claims)
            else:
                writer.repository(label, node, claims)
        rejects.close()
        stream.require_records()
        writer.finish()
        progress("lineage", 0, 0)
        writer.lineage()
        props = {"id": report.run_id, "kind": RunKind.LOAD.value, "started": started, "finished": runs.now()}
        out.node("Run", {**props, "complete": True, "parameters": "{}", "counts": "{}"})
        atlas = {"id": "atlas", "schema_version": SCHEMA.version, "store_id": secrets.token_hex(6)}
        out.node("Atlas", atlas)
        return report, out.command()


class _Export:
    def __init__(self, out: BulkImportFiles, report: LoadReport) -> None:
        self.held: dict[tuple[str, str], tuple[Props, Claims]] = {}
        self._out = out
        self._report = report
        self._values: dict[str, set[str]] = defaultdict(set)
        self._datasets: set[str] = set()
        self._facts: dict[str, ModelFacts] = {}
        self._statements: list[ParentStatement] = []

    def repository(self, label: str, node: Props, claims: Claims) -> None:
        """Write one node with its claims."""
        self._out.node(label, node)
        self._report.nodes["created"] += 1
        if label == LABELS[RecordKind.MODEL]:
            self._facts[node["id"]] = ModelFacts(node.get("downloads") or 0, node.get("created_at"))
            self._statements += parent_statements(node)
        else:
            self._datasets.add(node["id"])
        if "author" in node:
            self._values["Author"].add(node["author"])
            self._out.edge("PUBLISHED_BY", label, "Author", node["id"], node["author"], {})
        for (rel, value), props in claims.items():
            target = TARGETS[rel, label]
            self._values[target].add(value)
            self._out.edge(rel, label, target, node["id"], value, {**props, "run_id": self._report.run_id})
            self._report.claims["created"] += 1
            self._report.claims_by_type[rel] += 1

    def finish(self) -> None:
        """Write what was held for merging, and the value nodes."""
        for (label, _), (node, claims) in self.held.items():
            self.repository(label, node, claims)
        for target, ids in self._values.items():
            for identifier in sorted(ids - self._datasets if target == "Dataset" else ids):
                self._out.node(target, value_node(target, identifier))

    def lineage(self) -> None:
        """Write both lineage layers."""
        testimony = resolve_all(self._facts, self._statements)
        edges = list(fuse_all(testimony))
        report = self._report
        report.parents = Counter(item.resolution.value for item in testimony)
        report.edges = Counter(edge.relation.value for edge in edges)
        report.lineage["created"] = len(testimony) + len(edges)
        for node in placeholders((item.parent for item in testimony), self._facts):
            self._out.node("Model", node)
        for item in testimony:
            props: dict[str, Any] = testimony_props(item, report.run_id)
            self._out.edge("CLAIMS_PARENT", "Model", "Model", item.child, item.parent, props)
        for edge in edges:
            self._out.edge("DERIVED_FROM", "Model", "Model", edge.child, edge.parent, edge_props(edge))
