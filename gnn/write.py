"""Predictions into files and into the graph, as claims of a run of their own that can be taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from atlas_db.errors import CompletionError
from atlas_db.files import replacing
from atlas_db.records import Testimony
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.opening import ensure_schema
from atlas_db.store.statements import all_edges, delete_edges, merge_edges
from atlas_db.terms import Outcome, RunKind, Source
from gnn.complete import CHECKPOINTS, Atelier, Completion, Prediction, complete
from gnn.graph import Graph, Integers, read_graph, rows_of
from gnn.learn import VERSION, Progress
from gnn.tasks import Task, lacking, tasks_of
from ingest.normalise.relations import guess_relation
from ingest.relink import Plan, read_edges, read_families, read_testimony
from ingest.resolve import fuse_all
from ingest.runs import begin, finish, writing

ROWS = 2000


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """How to complete.

    Attributes:
        attributes: Which; all where none is named, and those with too little to learn from are skipped then.
        models: Ids to look at; all where None.
        out: File for predictions as JSON lines.
        least: Confidence below which nothing is said; by default where `precision` was reached.
        precision: Precision aimed at.
        dry_run: True where the store stays as it is.
        retrain: True where checkpoints are passed over.
    """

    attributes: Sequence[str] = ()
    models: Sequence[str] | None = None
    out: Path | None = None
    least: float | None = None
    precision: float = 0.95
    dry_run: bool = False
    retrain: bool = False


@dataclass(slots=True)
class _Written:
    """Predictions of one attribute that go into the graph, and the models that were asked about."""

    task: Task
    asked: Integers
    rows: list[Prediction] = field(default_factory=list)


def complete_and_write(
    store: Store, home: Path, options: CompleteOptions, progress: Progress = lambda *_: None
) -> Completion:
    """Complete a store. What an earlier run predicted for the same models and attributes is replaced.

    Args:
        store: The store.
        home: Home folder, for checkpoints and the writer's lock.
        options: How.
        progress: Told of stage, done and total.

    Raises:
        CompletionError: There is too little to learn from; nothing was written.
        UsageError: There is no such attribute.
        StoreLockedError: Another process is writing.
    """
    tasks = tasks_of(options.attributes)
    with nullcontext() if options.dry_run else writing(store, home):
        progress("Read the graph", 0, 0)
        graph = read_graph(store)
        models = None if options.models is None else rows_of(graph, options.models)
        atelier = Atelier(
            graph, home / CHECKPOINTS / ensure_schema(store), precision=options.precision, retrain=options.retrain,
            progress=progress,
        )  # fmt: skip
        report = Completion()
        found = []
        with _lines(options.out) as lines:
            for task in tasks:
                try:
                    found.append(_predict(atelier, task, models, options, report, lines, progress))
                except CompletionError as error:
                    if options.attributes:
                        raise
                    report.skipped[task.attribute] = error.message
            if not found:
                raise CompletionError("no attribute can be completed", hint=" ".join(report.skipped.values()))
        report.trained, report.thresholds = atelier.trained, atelier.thresholds
        if not options.dry_run:
            _write(store, graph, found, report, progress)
    return report


def _predict(
    atelier: Atelier, task: Task, models: Integers | None, options: CompleteOptions, report: Completion,
    lines: IO[bytes] | None, progress: Progress,
) -> _Written:  # fmt: skip
    asked = lacking(atelier.graph, task.attribute)
    asked = asked if models is None else np.intersect1d(asked, models)
    kept = _Written(task, asked)
    covered = set()
    for prediction in complete(atelier, task, models, options.least, progress):
        kept.rows.append(prediction)
        covered.add(prediction.model)
        if lines is not None:
            lines.write(msgspec.json.encode(prediction.line(atelier.graph)) + b"\n")
    report.asked[task.attribute] = len(asked)
    report.predicted[task.attribute] = len(covered)
    return kept


@contextmanager
def _lines(out: Path | None) -> Iterator[IO[bytes] | None]:
    """Open a file that appears whole, or not at all."""
    if out is None:
        yield None
        return
    with replacing(out) as partial, partial.open("wb") as handle:
        yield handle


def _write(store: Store, graph: Graph, found: Sequence[_Written], report: Completion, progress: Progress) -> None:
    parameters = {"attributes": [each.task.attribute for each in found], "version": VERSION}
    run_id = report.run_id = begin(store, RunKind.COMPLETION, parameters)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for each in found:
        progress(f"Write {each.task.attribute}", 0, 0)
        if each.task.attribute == "base_model":
            report.written += _write_parents(store, graph, each, run_id, today)
        else:
            report.written += _write_claims(store, graph, each, run_id, today)
    finish(store, run_id, {"asked": report.asked, "predicted": report.predicted, "claims": report.written})


def _write_claims(store: Store, graph: Graph, found: _Written, run_id: str, today: str) -> int:
    rel, label = found.task.relation, found.task.label
    asked = {graph.ids[row] for row in found.asked}
    wanted = {(graph.ids[row.model], row.value) for row in found.rows}
    old = [
        {"a": model, "b": value, "set": {"source": Source.PREDICTED.value}}
        for model, value, source in store.pages(all_edges(rel, "Model", label, ("source",)))
        if source == Source.PREDICTED and model in asked and (model, value) not in wanted
    ]
    new = [
        {
            "a": graph.ids[row.model],
            "b": row.value,
            "set": {
                "source": Source.PREDICTED.value,
                "confidence": round(row.confidence, 6),
                "method": VERSION,
                "run_id": run_id,
                "first_seen": today,
                "last_seen": today,
                "evidence": _evidence(row),
            },
        }
        for row in found.rows
    ]
    Batches(store, ROWS).send(old, partial(_send, delete_edges(rel, "Model", label)))
    Batches(store, ROWS).send(new, partial(_send, merge_edges(rel, "Model", label)))
    return len(new)


def _send(statement: Any, tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:  # noqa: ANN401
    tx.send(statement, rows)


def _evidence(prediction: Prediction) -> str:
    """Reasons as JSON: of how many in a group, how many declare the value."""
    plain: dict[str, Any] = {name: {"declare": count, "of": size} for name, (count, size) in prediction.reasons.items()}
    if prediction.root_probability is not None:
        plain["root_probability"] = round(prediction.root_probability, 6)
    return msgspec.json.encode(plain).decode()


def _write_parents(store: Store, graph: Graph, found: _Written, run_id: str, today: str) -> int:
    """Write predicted parents as testimony and fuse it with all other; what would close a ring is left out."""
    asked = {graph.ids[row] for row in found.asked}
    old = read_testimony(store)
    ours = {(item.child, item.parent): item for item in old if item.source is Source.PREDICTED and item.child in asked}
    stated = [_testimony(graph, row, today) for row in without_rings(graph, found.rows)]
    rest = [item for item in old if (item.child, item.parent) not in ours or item.source is not Source.PREDICTED]
    families = {model: family for model, family in read_families(store).items() if family}
    plan = Plan(Source.PREDICTED, stated, ours, list(fuse_all([*rest, *stated], families)), read_edges(store), run_id)
    plan.write(store, set(graph.ids), ROWS)
    return len(stated)


def without_rings(graph: Graph, found: Sequence[Prediction]) -> list[Prediction]:
    """Return predictions of parents without those that close a ring, with lineage or with each other."""
    place = {identifier: row for row, identifier in enumerate(graph.ids)}
    children = np.array([row.model for row in found], np.int64)
    parents = np.array([place[row.value] for row in found], np.int64)
    tails = np.concatenate((graph.parents.rows, children))
    heads = np.concatenate((graph.parents.values, parents))
    whole = coo_array((np.ones(len(tails), np.int8), (tails, heads)), shape=(len(graph), len(graph)))
    ring = connected_components(whole, connection="strong")[1]
    return [row for row, child, parent in zip(found, children, parents, strict=True) if ring[child] != ring[parent]]


def _testimony(graph: Graph, row: Prediction, today: str) -> Testimony:
    child = graph.ids[row.model]
    tags = graph.columns["tags"]
    library = graph.columns["library_name"]
    known = [library.names[value] for value in library.held.of(row.model)]
    spelled = [tags.names[value] for value in tags.held.of(row.model)]
    relation, sure, _ = guess_relation(child.rpartition("/")[2], spelled, known[0] if known else None, 1)
    chance = row.confidence * (1 - (row.root_probability or 0.0))
    return Testimony(
        child, row.value, Source.PREDICTED, relation, round(chance * sure, 6), VERSION, row.value, Outcome.EXACT,
        _evidence(row), today, today, None,
    )  # fmt: skip


def track_record(store: Store) -> list[dict[str, Any]]:
    """Return how earlier predictions fared: those whose models have since declared the attribute.

    Returns:
        One row an attribute: `predicted` models, those `declared` since, `confirmed` and `refuted` among them, the
        share confirmed as `precision`, and the mean `confidence` that they were predicted with.
    """
    table = []
    for task in tasks_of(()):
        declared: dict[str, set[str]] = defaultdict(set)
        guessed: dict[str, dict[str, float]] = defaultdict(dict)
        for model, value, source, sure, ended in store.pages(
            all_edges(task.relation, "Model", task.label, ("source", "confidence", "ended"))
        ):
            if source == Source.DECLARED and ended is None:
                declared[model].add(value)
            elif source == Source.PREDICTED:
                guessed[model][value] = sure
        best = {model: max(sorted(values), key=values.__getitem__) for model, values in guessed.items()}
        checked = [model for model in best if model in declared]
        confirmed = sum(best[model] in declared[model] for model in checked)
        table.append(
            {
                "attribute": task.attribute,
                "predicted": len(best),
                "declared": len(checked),
                "confirmed": confirmed,
                "refuted": len(checked) - confirmed,
                "precision": round(confirmed / len(checked), 4) if checked else None,
                "confidence": round(float(np.mean([guessed[m][best[m]] for m in checked])), 4) if checked else None,
            }
        )
    return table
