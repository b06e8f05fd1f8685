"""Write a chart to the graph: inferred claims, fused with the declared ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from atlas_db.claims.declared_parents import add_declarations, parent_declarations
from atlas_db.claims.lineage_sync import (
    LineageDiff,
    WriteContext,
    delete_orphans,
    read_charted_models,
    read_lineage_claims,
    read_lineage_edges,
    read_name_evidence,
    synchronise_lineage,
)
from atlas_db.claims.placeholder_names import names_no_model
from atlas_db.claims.resolve import fuse_claims
from atlas_db.claims.runs import begin_run, exclusive_writer, finish_run
from atlas_db.core.errors import InputError, RecordError
from atlas_db.core.records import ChartedModel, LineageClaim, ParentClaim
from atlas_db.core.terms import MIN_CHARTED_CONFIDENCE, RecordPart, Relation, Resolution, RunKind, Source, is_origin
from atlas_db.fusion.evidence import AdapterEvidence, encode_evidence
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import all_nodes, ensure_nodes, merge_nodes
from ingest.hub.record_ids import has_control_characters, require_id
from ingest.weights.fingerprints.fingerprint import VERSION, Fingerprint
from ingest.weights.fingerprints.parquet import save_store_fingerprints
from ingest.weights.parameters.chart_parameters import chart_parameters
from ingest.weights.probes.cka_similarity import behaviour_clusters
from ingest.weights.probes.probe_table import Probe, save_store_probes
from ingest.weights.tree.edge import Edge, above_threshold, family_of, known_date

METHOD = "weights@1"
_LAYER = re.compile(r"(?:^|\.)(\d+)\.")
ROWS = 2000


def write_chart(
    store: Store, home: Path, prints: Sequence[Fingerprint], edges: Sequence[Edge], *,
    min_confidence: float = MIN_CHARTED_CONFIDENCE, probes: Sequence[Probe] = (), dry_run: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Write a chart as inferred claims; an earlier chart of the same models is replaced.

    The base that an adapter's configuration names is a declared claim, whether the chart used it or not: only weights
    are evidence from weights.

    Args:
        store: The store.
        home: Home folder, for the writer's lock.
        prints: The models that were charted; they are kept in the home folder, for `origin`.
        edges: Their whole chart: edges below the threshold still determine families.
        min_confidence: Confidence below which the chart abstains.
        probes: Outputs of some of them: kept in the home folder; their clusters go into the graph.
        dry_run: True where nothing may be written.

    Returns:
        Counts: claims and edges created, changed, removed; edges by status; the run's id.

    Raises:
        InputError: A model has an id that no page and no query could name. Nothing was written.
    """
    _require_ids(prints)
    edges = [edge for edge in edges if not (isinstance(edge.evidence, AdapterEvidence) and edge.evidence.declared)]
    families, edges = family_of(prints, edges), above_threshold(edges, min_confidence)
    charted = {item.id: ChartedModel(families[item.id], item.weights_hash) for item in prints}
    as_of = max((known_date(item.created_at)[:10] for item in prints), default="") or f"{datetime.now(UTC):%Y-%m-%d}"
    if dry_run:
        return _plan(store, charted, edges, as_of, "")[1]
    with exclusive_writer(store, home):
        run_id = begin_run(store, RunKind.CHART, _parameters(prints, edges))
        plan, counts = _plan(store, charted, edges, as_of, run_id)
        clusters = behaviour_clusters(probes)
        named_before = dict(
            store.fetch_all(all_nodes("Model", ("id", "weights_declared_parents"), having="weights_declared_parents"))
        )
        rows = [_node_row(item, families, clusters, named_before, as_of, run_id) for item in prints]
        Batches(store, ROWS).run(rows, _send)
        plan.write(store, set(charted), ROWS)
        # Origins of an earlier chart that nothing comes from any more: the models behind them are here now.
        delete_orphans(store, ROWS)
        if named_before or any(row["set"]["weights_declared_parents"] for row in rows):
            models, declarations = read_name_evidence(store)
            all_declarations = [each for of_model in declarations.values() for each in of_model]
            synchronise_lineage(store, models, all_declarations, WriteContext(run_id, ROWS))
        save_store_fingerprints(prints, home, ensure_schema(store))
        if probes:
            save_store_probes(probes, home, ensure_schema(store))
        finish_run(store, run_id, counts)
    return {**counts, "run_id": run_id}


def _require_ids(prints: Sequence[Fingerprint]) -> None:
    for item in prints:
        try:
            require_id(item.id)
        except RecordError as error:
            raise InputError(
                f"the chart has a model that cannot be written: {error.message}",
                hint="Rename its folder, or list it in hub.jsonl under another id; then make its fingerprint anew",
            ) from error


def _node_row(
    item: Fingerprint, families: Mapping[str, str], clusters: Mapping[str, str], named_before: Mapping[str, str],
    as_of: str, run_id: str,
) -> dict[str, Any]:  # fmt: skip
    return {
        "id": item.id,
        "created_at": known_date(item.created_at) or None,
        "set": {
            "weights_family": families[item.id] or None,
            "weights_hash": item.weights_hash,
            "weights_architecture": item.family_key,
            "weights_layers": _layers(item),
            "weights_elements": item.elements,
            "weights_bytes": item.size,
            "weights_dtype": item.dtype,
            "weights_declared_parents": _declared_parents(item, named_before.get(item.id), as_of),
            "behaviour_cluster": clusters.get(item.id),
            "weights_run_id": run_id,
        },
    }


def _declared_parents(item: Fingerprint, before: str | None, as_of: str) -> str | None:
    """Return the base that the configuration of an adapter names, as declarations; None where it names none.

    Charting again changes no dates where the name is the same.
    """
    name = item.declared_base
    if not item.adapter or not name or names_no_model(name) or has_control_characters(name):
        return None
    known = parent_declarations({"id": item.id, "weights_declared_parents": before})
    if [each.name for each in known] == [name]:
        return before
    claim = ParentClaim(name, Relation.ADAPTER, 1.0, "typed", RecordPart.ADAPTER_CONFIG)
    return add_declarations(None, [claim], as_of)


def _parameters(prints: Sequence[Fingerprint], edges: Sequence[Edge]) -> dict[str, Any]:
    """Return what a chart depends on, for its run: counts, version of the fingerprints, every tuned constant."""
    tuned = {each.name: each.value for each in chart_parameters()}
    return {"models": len(prints), "edges": len(edges), "fingerprints": VERSION, "parameters": tuned}


def _send(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    names = [
        {"id": row["id"], "name": row["id"].rpartition("/")[2], "placeholder": True, "created_at": row["created_at"]}
        for row in rows
    ]
    tx.run_batch(ensure_nodes("Model"), names)
    tx.run_batch(merge_nodes("Model"), rows)


def _layers(item: Fingerprint) -> int | None:
    """Return the number of layers that the names of the tensors count, None where they count none."""
    numbers = [int(found[1]) for name in item.moment_names if (found := _LAYER.search(name))]
    return max(numbers) + 1 if numbers else None


def _plan(
    store: Store, charted: Mapping[str, ChartedModel], edges: Sequence[Edge], as_of: str, run_id: str
) -> tuple[LineageDiff, dict[str, Any]]:
    old = read_lineage_claims(store)
    inferred = [item for item in old if item.source is Source.INFERRED]
    # Origins without a name belong to the models that come from them, and are charted anew with these.
    children = charted.keys() | {item.parent for item in inferred if item.child in charted and is_origin(item.parent)}
    ours = {(item.child, item.parent): item for item in inferred if item.child in children}
    stated = [_claim(edge, ours.get((edge.child, edge.parent)), as_of) for edge in edges]
    rest = [item for item in old if not (item.source is Source.INFERRED and item.child in children)]
    known = {model: each for model, each in {**read_charted_models(store), **charted}.items() if each.family}
    fused = list(fuse_claims([*rest, *stated], known))
    plan = LineageDiff(Source.INFERRED, stated, ours.values(), fused, read_lineage_edges(store), run_id)
    counts: dict[str, Any] = dict(plan.counts)
    for edge in fused:
        if edge.child in charted:
            counts[edge.status.value] = counts.get(edge.status.value, 0) + 1
    return plan, counts


def _claim(edge: Edge, before: LineageClaim | None, as_of: str) -> LineageClaim:
    """Return an edge as a claim; one that is unchanged keeps its dates, so that charting again changes nothing."""
    evidence = encode_evidence(edge.evidence)
    confidence = round(edge.confidence, 6)
    same = before is not None and (before.relation, before.confidence, before.evidence) == (
        edge.relation, confidence, evidence,
    )  # fmt: skip
    first = before.first_seen if before is not None else as_of
    last = before.last_seen if before is not None and same else as_of
    return LineageClaim(
        edge.child, edge.parent, Source.INFERRED, edge.relation, confidence, METHOD, edge.parent, Resolution.EXACT,
        evidence, first, last, None,
    )  # fmt: skip
