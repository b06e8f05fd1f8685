"""Runs in the store: begin, finish, list, roll back."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.claims.lineage_sync import LineageCounts, WriteContext, read_name_evidence, synchronise_lineage
from atlas_db.claims.undo import EdgeBefore, NodeBefore, UndoFile
from atlas_db.core.errors import RollbackError
from atlas_db.core.locks import exclusive_lock
from atlas_db.core.schema import RUN_PROPERTIES, SCHEMA
from atlas_db.core.terms import RunKind
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Row, Store, Transaction
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import (
    Statement,
    all_nodes,
    delete_edges,
    delete_nodes,
    edges_of_run,
    merge_edges,
    merge_nodes,
    orphans,
    replace_nodes,
    set_nodes,
)

_RUNS = Statement(
    "MATCH (r:Run) RETURN r.id AS id, r.kind AS kind, r.started AS started, r.finished AS finished, "
    "r.complete AS complete, r.parameters AS parameters, r.counts AS counts ORDER BY r.started DESC, r.id DESC"
)
_NEVER_DELETED = ("Run", "Atlas")
_WEIGHTS_RUN = "weights_run_id"


def utc_now() -> str:
    """Return the current time, ISO 8601 in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextlib.contextmanager
def exclusive_writer(store: Store, home: Path, wait_seconds: float = 0.0) -> Iterator[str]:
    """Hold the writer lock of a store in this home folder; it ends with the process.

    Args:
        store: The store; an empty one gets the schema.
        home: Home folder.
        wait_seconds: Seconds for which the end of another writer is awaited.

    Yields:
        Id of the store.

    Raises:
        StoreLockedError: Another process is writing.
    """
    store_id = ensure_schema(store)
    file = home / "undo" / store_id / "writer.lock"
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with exclusive_lock(file, f"another process is writing to {store.address}", wait_seconds):
        yield store_id


def new_run(kind: RunKind, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the node of a run that begins. A load states from its first moment that it wrote no record yet."""
    props = {
        "id": f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        "kind": kind.value,
        "started": utc_now(),
        "complete": False,
        "parameters": msgspec.json.encode(parameters, order="sorted").decode(),
    }
    if kind is RunKind.LOAD:
        props |= _counts({"newest": {}})
    return props


def begin_run(store: Store, kind: RunKind, parameters: Mapping[str, Any]) -> str:
    """Record the start of a run and return its id."""
    props = new_run(kind, parameters)
    run_id: str = props.pop("id")
    store.write(lambda tx: tx.run_batch(merge_nodes("Run"), [{"id": run_id, "set": props}]))
    return run_id


def end_of_run(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the end of a run adds to its node."""
    return {"finished": utc_now(), "complete": True, **_counts(counts)}


def finish_run(store: Store, run_id: str, counts: Mapping[str, Any]) -> None:
    """Record the end of a run."""
    props = end_of_run(counts)
    store.write(lambda tx: tx.run_batch(merge_nodes("Run"), [{"id": run_id, "set": props}]))


def state_newest_records(store: Store, run_id: str, dates: Mapping[str, str]) -> None:
    """Record the newest date, by kind, of the records that a load has written so far.

    Readers need it during the load; the counts of the finished load replace it.
    """
    props = _counts({"newest": dates})
    store.write(lambda tx: tx.run_batch(merge_nodes("Run"), [{"id": run_id, "set": props}]))


def _counts(counts: Mapping[str, Any]) -> dict[str, str]:
    return {"counts": msgspec.json.encode(counts, order="sorted").decode()}


def list_runs(store: Store) -> list[Row]:
    """Return all runs, newest first; parameters and counts as maps."""
    rows = store.read(_RUNS)
    for row in rows:
        for name in ("parameters", "counts"):
            row[name] = msgspec.json.decode(row[name]) if row[name] else {}
    return rows


def has_unfinished_load(store: Store) -> bool:
    """Return whether the newest load was interrupted, or is still writing."""
    for run in list_runs(store):
        if run["kind"] == RunKind.LOAD:
            return not run["complete"]
    return False


def rollback(store: Store, run_id: str, home: Path, rows: int) -> LineageCounts:
    """Undo a run: delete its claims, findings and orphaned nodes, then fuse lineage again.

    Args:
        store: The store.
        run_id: The run.
        home: Home folder, with the undo files.
        rows: Initial rows of a batch.

    Raises:
        RollbackError: There is no such run, a newer load depends on it, or its undo file is missing.
        StoreLockedError: Another process is writing.
    """
    with exclusive_writer(store, home) as store_id:
        return _rollback(store, run_id, UndoFile(home, store_id, run_id), rows)


def _rollback(store: Store, run_id: str, undo: UndoFile, rows: int) -> LineageCounts:
    runs = list_runs(store)
    run = next((run for run in runs if run["id"] == run_id), None)
    if run is None:
        raise RollbackError(f"there is no run {run_id}", hint="List them with atlas-db runs")
    if run["kind"] == RunKind.LOAD:
        newest = next(each["id"] for each in runs if each["kind"] == RunKind.LOAD)
        if newest != run_id:
            raise RollbackError(
                f"{run_id} is not the newest load",
                hint=f"Roll back the newer ones first: atlas-db runs rollback {newest}",
            )
        _undo_load(store, undo, rows)
    else:
        _remove_edges(store, run_id, rows)
        for run_property in RUN_PROPERTIES:
            _clear_run_properties(store, run_property, run_id, rows)
    models, declarations = read_name_evidence(store)
    everything = [declaration for of_model in declarations.values() for declaration in of_model]
    counts = synchronise_lineage(store, models, everything, WriteContext(run_id, rows))
    _delete_orphans(store, rows)
    Batches(store, rows).run([run_id], partial(_delete_nodes, "Run"))
    return counts


def _undo_load(store: Store, undo: UndoFile, rows: int) -> None:
    try:
        empty, entries = undo.read()
    except FileNotFoundError as error:
        raise RollbackError(
            f"the undo file {undo.path} is gone",
            hint="Roll back on the machine that loaded, or load the earlier snapshots into a new store",
        ) from error
    if empty:
        for node in SCHEMA.nodes:
            if node.label not in _NEVER_DELETED:
                ids = [entry[0] for entry in store.fetch_all(all_nodes(node.label, ("id",)))]
                Batches(store, rows).run(ids, partial(_delete_nodes, node.label))
        return
    edges: list[EdgeBefore] = []
    nodes: list[NodeBefore] = []
    for entry in entries:
        (edges if isinstance(entry, EdgeBefore) else nodes).append(entry)  # type: ignore[arg-type]
    Batches(store, rows).run(edges, _restore_edges)
    names = ("id", _WEIGHTS_RUN, *RUN_PROPERTIES[_WEIGHTS_RUN])
    charted = {
        values[0]: {name: value for name, value in zip(names, values, strict=True) if value is not None}
        for values in store.fetch_all(all_nodes("Model", names, having=_WEIGHTS_RUN))
    }
    Batches(store, rows).run(nodes, partial(_restore_nodes, charted))


def _restore_edges(tx: Transaction, entries: Sequence[EdgeBefore]) -> None:
    for rel in SCHEMA.claims:
        for source, target in rel.ends:
            of_type = [e for e in entries if (e.rel, e.source, e.target) == (rel.type, source, target)]
            created = [{"a": e.a, "b": e.b, "set": {"source": "declared"}} for e in of_type if e.props is None]
            restored = [{"a": e.a, "b": e.b, "set": e.props} for e in of_type if e.props is not None]
            if created:
                tx.run_batch(delete_edges(rel.type, source, target), created)
            if restored:
                tx.run_batch(merge_edges(rel.type, source, target), restored)


def _restore_nodes(charted: Mapping[str, dict[str, Any]], tx: Transaction, entries: Sequence[NodeBefore]) -> None:
    """Restore nodes as they were. What a chart found of a model since then stays: only its record goes."""
    for label in ("Model", "Dataset"):
        of_label = [entry for entry in entries if entry.label == label]
        restored = [entry.props for entry in of_label if entry.props is not None]
        # A node that claims still name becomes a placeholder, as it would be without this run.
        created = [entry.id for entry in of_label if entry.props is None]
        kept = charted if label == "Model" else {}
        placeholders: list[dict[str, Any]] = [
            {"id": name, "name": name.rpartition("/")[2], "placeholder": True, **kept.get(name, {})} for name in created
        ]
        if restored or placeholders:
            tx.run_batch(replace_nodes(label), [*restored, *placeholders])
        # Placeholders have no author edge. Nodes without a record before this run lose theirs.
        without_record = [entry.id for entry in of_label if entry.props is None or not entry.props.get("snapshots")]
        if without_record:
            tx.run_batch(delete_edges("PUBLISHED_BY", label, "Author"), _authors(without_record))


def _authors(ids: Sequence[str]) -> list[dict[str, Any]]:
    return [{"a": name, "b": name.rpartition("/")[0], "set": {}} for name in ids if "/" in name]


def _remove_edges(store: Store, run_id: str, rows: int) -> None:
    for rel in SCHEMA.relationships:
        if "run_id" not in rel.names:
            continue
        for source, target in rel.ends:
            found = [
                {"a": row["a"], "b": row["b"], "set": row["props"]}
                for row in store.read(edges_of_run(rel.type, source, target), run=run_id)
            ]
            Batches(store, rows).run(found, partial(_delete_edges, rel.type, source, target))


def _clear_run_properties(store: Store, run_property: str, run_id: str, rows: int) -> None:
    """Clear the properties that an audit or a chart wrote to models."""
    names = (run_property, *RUN_PROPERTIES[run_property])
    written = store.fetch_all(all_nodes("Model", ("id", run_property), having=run_property))
    cleared = [[identifier, *(None for _ in names)] for identifier, run in written if run == run_id]
    Batches(store, rows).run(cleared, lambda tx, chunk: tx.run_batch(set_nodes("Model", names), chunk))


def _delete_edges(rel: str, source: str, target: str, tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    tx.run_batch(delete_edges(rel, source, target), rows)


def _delete_nodes(label: str, tx: Transaction, ids: Sequence[str]) -> None:
    tx.run_batch(delete_nodes(label), ids)


def _delete_orphans(store: Store, rows: int) -> None:
    for node in SCHEMA.nodes:
        if node.label not in _NEVER_DELETED:
            ids = [row["id"] for row in store.read(orphans(node.label))]
            Batches(store, rows).run(ids, partial(_delete_nodes, node.label))
