"""Complete a store: predictions into a file and into the graph, and how earlier ones fared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import numpy as np

from atlas_db.columnar.graph import Graph, rows_of
from atlas_db.core.arrays import Integers
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import replacing
from atlas_db.core.terms import Progress, Source
from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import all_edges
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.tasks import Task, rows_missing, tasks_for
from gnn.inference.predictions import AttributePredictions, Completion, write_predictions
from ingest.load.runs import writing

if TYPE_CHECKING:
    from gnn.inference.complete import CompletionSession


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """How to complete.

    Attributes:
        attributes: Which; all where none is named.
        models: Ids to look at; all where None.
        out: File for predictions as JSON lines.
        min_confidence: Confidence below which nothing is said; by default where `precision` was reached.
        precision: Precision aimed at.
        dry_run: True where the store stays as it is.
        retrain: True where checkpoints are passed over.
        strict: True where an attribute with too little to learn from is an error, not skipped.
    """

    attributes: Sequence[str] = ()
    models: Sequence[str] | None = None
    out: Path | None = None
    min_confidence: float | None = None
    precision: float = 0.95
    dry_run: bool = False
    retrain: bool = False
    strict: bool = False


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
    tasks = tasks_for(options.attributes)
    with nullcontext() if options.dry_run else writing(store, home):
        progress("Read the graph", 0, 0)
        session = _open_session(store, home, tasks, options, progress)
        graph = session.graph
        models = None if options.models is None else rows_of(graph, options.models)
        report = Completion()
        by_attribute = []
        with _open_lines(options.out) as lines:
            for task in tasks:
                try:
                    by_attribute.append(_predict(session, task, models, options, report, lines, progress))
                except CompletionError as error:
                    if options.strict:
                        raise
                    report.skipped[task.attribute] = error.message
            if not by_attribute:
                raise CompletionError("no attribute can be completed", hint=" ".join(report.skipped.values()))
        report.trained, report.thresholds = session.trained, session.thresholds
        if not options.dry_run:
            write_predictions(store, graph, by_attribute, report, progress)
    return report


def _open_session(
    store: Store, home: Path, tasks: list[Task], options: CompleteOptions, progress: Progress
) -> CompletionSession:
    with ThreadPoolExecutor(1) as executor:
        graph: Future[Graph] = executor.submit(assemble_graph, store, home, tasks)
        # The engine is busy for some seconds, and so is Python with what learners import: both at once.
        from gnn.inference.complete import CHECKPOINTS, CompletionSession

        folder = home / CHECKPOINTS / ensure_schema(store)
        return CompletionSession(
            graph.result(), folder, precision=options.precision, retrain=options.retrain, progress=progress
        )


def _predict(
    session: CompletionSession, task: Task, models: Integers | None, options: CompleteOptions, report: Completion,
    lines: IO[bytes] | None, progress: Progress,
) -> AttributePredictions:  # fmt: skip
    from gnn.inference.complete import complete

    missing = rows_missing(session.graph, task.attribute)
    missing = missing if models is None else np.intersect1d(missing, models)
    predicted = AttributePredictions(task, missing)
    predicted_models = set()
    for prediction in complete(session, task, models, options.min_confidence, progress):
        predicted.predictions.append(prediction)
        predicted_models.add(prediction.model)
        if lines is not None:
            lines.write(msgspec.json.encode(prediction.to_json_line(session.graph)) + b"\n")
    report.missing[task.attribute] = len(missing)
    report.predicted[task.attribute] = len(predicted_models)
    return predicted


@contextmanager
def _open_lines(out: Path | None) -> Iterator[IO[bytes] | None]:
    """Open a file that appears whole, or not at all."""
    if out is None:
        yield None
        return
    with replacing(out) as partial, partial.open("wb") as handle:
        yield handle


def track_record(store: Store) -> list[dict[str, Any]]:
    """Return how earlier predictions fared: those whose models have since declared the attribute.

    Returns:
        One row an attribute: `predicted` models, those `declared` since, `confirmed` and `refuted` among them, the
        share confirmed as `precision`, and the mean `confidence` that they were predicted with.
    """
    table = []
    for task in tasks_for(()):
        declared: dict[str, set[str]] = defaultdict(set)
        predicted: dict[str, dict[str, float]] = defaultdict(dict)
        for model, value, source, confidence, valid_to in store.fetch_all(
            all_edges(task.relationship, "Model", task.node_label, ("source", "confidence", "valid_to"))
        ):
            if source == Source.DECLARED and valid_to is None:
                declared[model].add(value)
            elif source == Source.PREDICTED:
                predicted[model][value] = confidence
        best = {model: max(sorted(values), key=values.__getitem__) for model, values in predicted.items()}
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
                "confidence": round(float(np.mean([predicted[m][best[m]] for m in checked])), 4) if checked else None,
            }
        )
    return table
