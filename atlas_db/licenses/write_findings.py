"""Audits the whole atlas, and writes a run, verdicts of models, findings and rulings as edges into a store."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.claims import runs
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import Progress, RunKind
from atlas_db.licenses.audit import AuditOptions, Auditor, AuditReport, audit_all
from atlas_db.licenses.audit_graph import read_audit_graph
from atlas_db.licenses.completeness import newer_models
from atlas_db.licenses.policy_check import LicenseFinding
from atlas_db.licenses.rules import NONE, RuleBook
from atlas_db.lineage.newest_records import read_newest_records
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.garbage_collection import gc_tuned
from atlas_db.store.statements import all_nodes, clear_edges, create_edges, set_nodes
from ingest.load.load_report import timed
from ingest.normalise.license_ids import canonical_license_id

_VERDICT = ("audit_verdict", "audit_findings", "audit_run_id")
_FINDING = ("finding", "verdict", "rule", "clause", "hops", "confidence")
_RULING = ("relation", "child_unlicensed", "verdict", "finding", "rule", "clause")
_CLEAR_ROWS = 100_000
WRITERS = 2
"""Transactions that write verdicts at once: an engine uses one processor for each."""


def audit_and_write(
    store: Store, home: Path, options: AuditOptions, rows: int, progress: Progress = lambda *_: None
) -> AuditReport:
    """Audit the whole atlas and write verdicts, findings and rulings; those of an earlier audit are deleted.

    Interrupted and run again, it gives the same graph.

    Args:
        store: The store.
        home: Home folder.
        options: Options of the audit.
        rows: Initial rows of a batch.
        progress: Called with the progress.

    Raises:
        StoreLockedError: Another process is writing.
        SuppressionError: The suppression file is malformed or has expired.
    """
    with runs.exclusive_writer(store, home):
        seconds: dict[str, float] = {}
        with timed(seconds, "read"):
            progress("read", 0, 0)
            auditor = _read(store, options)
            report, book = auditor.report, auditor.book
            rulings = _rulings(store, book)
            parameters = {
                "profile": report.profile,
                "rules_version": report.rules_version,
                "min_confidence": options.min_confidence,
                "rulings": hashlib.blake2b(msgspec.json.encode(rulings), digest_size=8).hexdigest(),
            }
            digest_in_store = _rulings_digest_in_store(store)
            report.run_id = runs.begin_run(store, RunKind.AUDIT, parameters)
        batches = Batches(store, rows)
        with timed(seconds, "rules"), gc_tuned():
            findings = _evaluate_and_write(store, rows, auditor, progress)
        with timed(seconds, "write"):
            progress("write", 0, 0)
            if digest_in_store != parameters["rulings"]:
                delete_edges_of_type(store, "LICENSE_RULE")
                common = {"profile": report.profile}
                batches.run(rulings, partial(_create, "LICENSE_RULE", "License", "License", _RULING, common))
            _write_findings(batches, auditor, findings, {"profile": report.profile, "run_id": report.run_id})
        report.seconds = seconds
        runs.finish_run(store, report.run_id, report.counts())
    return report


def audit_without_writing(store: Store, options: AuditOptions, progress: Progress = lambda *_: None) -> AuditReport:
    """Audit the whole atlas, and only report: for a snapshot, which cannot be written.

    Args:
        store: The store, or a snapshot.
        options: Options of the audit.
        progress: Called with the progress.

    Raises:
        SuppressionError: The suppression file is malformed or has expired.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "read"):
        progress("read", 0, 0)
        auditor = _read(store, options)
    with timed(seconds, "rules"):
        audit_all(auditor, lambda _: None, progress)
    auditor.report.seconds = seconds
    return auditor.report


def _read(store: Store, options: AuditOptions) -> Auditor:
    """Return an auditor of the whole atlas."""
    newest = read_newest_records(store)
    with ThreadPoolExecutor(1) as reader:
        newer = reader.submit(newer_models, store, newest)
        auditor = Auditor(read_audit_graph(store), options, newest)
        auditor.report.newer = newer.result()
    return auditor


def _evaluate_and_write(store: Store, rows: int, auditor: Auditor, progress: Progress) -> list[LicenseFinding]:
    """Audit all models; verdicts are written while the next models are audited."""
    set_verdicts = partial(_set_verdicts, auditor.report.run_id)
    with ThreadPoolExecutor(WRITERS) as senders:
        pending: list[Future[None]] = [senders.submit(delete_edges_of_type, store, "CONFLICTS_WITH")]
        findings = audit_all(
            auditor,
            lambda verdicts: pending.append(senders.submit(Batches(store, rows).run, verdicts, set_verdicts)),
            progress,
        )
        for each in pending:
            each.result()
    return findings


def _rulings_digest_in_store(store: Store) -> str:
    """Return the digest of the rulings of the newest audit, empty where it was interrupted."""
    for run in runs.list_runs(store):
        if run["kind"] == RunKind.AUDIT:
            return str(run["parameters"].get("rulings", "")) if run["complete"] else ""
    return ""


def delete_edges_of_type(store: Store, rel: str) -> None:
    """Delete all edges of a type, in batches."""
    for source, target in SCHEMA.relationship(rel).ends:
        statement = clear_edges(rel, source, target)
        while store.write(lambda tx, s=statement: tx.run(s, limit=_CLEAR_ROWS))[0]["n"] == _CLEAR_ROWS:  # type: ignore[misc]
            pass


def _set_verdicts(run_id: str, tx: Transaction, rows: Sequence[tuple[str, str, int]]) -> None:
    tx.run_batch(set_nodes("Model", _VERDICT), [[*row, run_id] for row in rows])


def _write_findings(
    batches: Batches, auditor: Auditor, findings: Sequence[LicenseFinding], common: dict[str, str]
) -> None:
    graph, book = auditor.graph, auditor.book
    by_target: dict[str, list[list[Any]]] = defaultdict(list)
    for each in findings:
        if each.ancestor == each.model:
            continue
        label = "Model" if each.ancestor < graph.models else "Dataset"
        values = [
            str(each.finding), each.verdict.value, each.rule.id, book.clause(each.rule, each.license), len(each.path),
            round(each.confidence, 4),
        ]  # fmt: skip
        by_target[label].append([graph.ids[each.model], graph.ids[each.ancestor], *values])
    for label, rows in by_target.items():
        batches.run(rows, partial(_create, "CONFLICTS_WITH", "Model", label, _FINDING, common))


def _rulings(store: Store, book: RuleBook) -> list[list[Any]]:
    """Return the rulings on all pairs of licences in the graph; a declared id counts as its canonical id."""
    declared = sorted(entry[0] for entry in store.fetch_all(all_nodes("License", ("id",))))
    ids_by_canonical: dict[str, list[str]] = defaultdict(list)
    for each in declared:
        ids_by_canonical[canonical_license_id(each)].append(each)
    rows: list[list[Any]] = []
    for child, parent, relation, ruling in book.table(ids_by_canonical):
        rule = ruling.rule
        values = [ruling.verdict.value, rule.finding.value if rule.finding else None, rule.id]
        values.append(book.clause(rule, parent))
        rows += [
            [below, above, str(relation), child == NONE, *values]
            for above in ids_by_canonical[parent]
            for below in ([above] if child == NONE else ids_by_canonical[child])
        ]
    return rows


def _create(
    rel: str,
    source: str,
    target: str,
    names: tuple[str, ...],
    common: dict[str, str],
    tx: Transaction,
    rows: Sequence[list[Any]],
) -> None:
    tx.run_batch(create_edges(rel, source, target, names, tuple(common)), rows, common=common)
