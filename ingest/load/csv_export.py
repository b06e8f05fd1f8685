"""CSV export of a load (`load --export-csv`): records and fused lineage as files for Neo4j's bulk import."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from atlas_db.claims import runs
from atlas_db.claims.declared_parents import ParentDeclaration, parent_declarations
from atlas_db.claims.lineage_sync import claim_properties, edge_properties, placeholders
from atlas_db.claims.model_names import NameEvidence
from atlas_db.claims.resolve import fuse_claims, resolve_declarations
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import Progress, RecordKind, RunKind
from atlas_db.store.bulk.import_files import BulkImportFiles
from ingest.hub.snapshot import find_inputs, repeated_ids
from ingest.load.load_report import LoadReport, RejectFile
from ingest.load.record_merge import Properties, merge_claims, merge_node
from ingest.load.stream import LoadOptions, RecordStream
from ingest.load.write_records import LABELS, TARGET_LABELS, value_node

Claims = dict[tuple[str, str], Properties]


def export_csv(paths: list[str], options: LoadOptions, folder: Path, progress: Progress) -> tuple[LoadReport, str]:
    """Write the bulk-import files of a first load.

    Args:
        paths: Files, folders, `-`.
        options: Options of the load.
        folder: Folder of the CSV files.
        progress: Called with the progress.

    Returns:
        The report and the import command.

    Raises:
        InputError: No record was readable.
    """
    report = LoadReport(run_id=f"{RunKind.LOAD}-offline-{secrets.token_hex(3)}")
    stream = RecordStream(report, options, progress)
    files = stream.with_dates(find_inputs(paths, options.home / "spool"))
    rejects = RejectFile(options.home / "rejects" / f"{report.run_id}.jsonl", report)
    started = runs.utc_now()
    with BulkImportFiles(folder) as out:
        writer = _CsvExport(out, report)
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
        props = {"id": report.run_id, "kind": RunKind.LOAD.value, "started": started, "finished": runs.utc_now()}
        out.node("Run", {**props, "complete": True, "parameters": "{}", "counts": "{}"})
        atlas = {"id": "atlas", "schema_version": SCHEMA.version, "store_id": secrets.token_hex(6)}
        out.node("Atlas", atlas)
        return report, out.command()


class _CsvExport:
    def __init__(self, out: BulkImportFiles, report: LoadReport) -> None:
        self.held: dict[tuple[str, str], tuple[Properties, Claims]] = {}
        self._out = out
        self._report = report
        self._values: dict[str, set[str]] = defaultdict(set)
        self._datasets: set[str] = set()
        self._facts: dict[str, NameEvidence] = {}
        self._statements: list[ParentDeclaration] = []

    def repository(self, label: str, node: Properties, claims: Claims) -> None:
        """Write one node with its claims."""
        self._out.node(label, node)
        self._report.nodes["created"] += 1
        if label == LABELS[RecordKind.MODEL]:
            self._facts[node["id"]] = NameEvidence(
                node.get("downloads") or 0, node.get("created_at"), node["last_seen"]
            )
            self._statements += parent_declarations(node)
        else:
            self._datasets.add(node["id"])
        if "author" in node:
            self._values["Author"].add(node["author"])
            self._out.edge("PUBLISHED_BY", label, "Author", node["id"], node["author"], {})
        for (rel, value), props in claims.items():
            target = TARGET_LABELS[rel, label]
            self._values[target].add(value)
            self._out.edge(rel, label, target, node["id"], value, {**props, "run_id": self._report.run_id})
            self._report.claims["created"] += 1
            self._report.claims_by_type[rel] += 1

    def finish(self) -> None:
        """Write the merged repositories with several records, and the value nodes."""
        for (label, _), (node, claims) in self.held.items():
            self.repository(label, node, claims)
        for target, ids in self._values.items():
            for identifier in sorted(ids - self._datasets if target == "Dataset" else ids):
                self._out.node(target, value_node(target, identifier))

    def lineage(self) -> None:
        """Write both lineage layers."""
        claims = resolve_declarations(self._facts, self._statements)
        edges = list(fuse_claims(claims))
        report = self._report
        report.parents = Counter(item.resolution.value for item in claims)
        report.edges = Counter(edge.relation.value for edge in edges)
        report.lineage["created"] = len(claims) + len(edges)
        for node in placeholders((item.parent for item in claims), self._facts):
            self._out.node("Model", node)
        for item in claims:
            props: dict[str, Any] = claim_properties(item, report.run_id)
            self._out.edge("CLAIMS_PARENT", "Model", "Model", item.child, item.parent, props)
        for edge in edges:
            self._out.edge("DERIVED_FROM", "Model", "Model", edge.child, edge.parent, edge_properties(edge))
