"""Completion of a store: predictions into a file and the graph, and the track record of earlier ones."""

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

from atlas_db.claims.runs import exclusive_writer
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
from gnn.models.memory import release_memory

if TYPE_CHECKING:
    from gnn.inference.complete import CompletionSession


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """Options of a completion.

    Attributes:
        attributes: Attributes to complete; empty for all.
        models: Ids of the models to complete; None for all.
        out: File for predictions as JSON lines; None for none.
        min_confidence: Confidence below which it abstains; None for the threshold at which `precision` was reached.
        precision: Precision to reach.
        dry_run: Whether the store is left as it is.
        retrain: Whether checkpoints are ignored.
        network: Whether a graph network takes part.
        strict: Whether an attribute with too little to learn from is an error, instead of skipped.
    """

    attributes: Sequence[str] = ()
    models: Sequence[str] | None = None
    out: Path | None = None
    min_confidence: float | None = None
    precision: float = 0.95
    dry_run: bool = False
    retrain: bool = False
    network: bool = False
    strict: bool = False


def complete_and_write(
    store: Store, home: Path, options: CompleteOptions, progress: Progress = lambda *_: None
) -> Completion:
    """Complete a store; predictions of earlier runs for the same models and attributes are replaced.

    Args:
        store: The store.
        home: Home folder, for checkpoints and the writer's lock.
        options: Options of the completion.
        progress: Called with stage, done and total.

    Returns:
        Counts, and the id of the run.

    Raises:
        CompletionError: There is too little to learn from; nothing was written.
        UsageError: There is no such attribute.
        StoreLockedError: Another process is writing.
    """
    tasks = tasks_for(options.attributes)
    with nullcontext() if options.dry_run else exclusive_writer(store, home):
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
        # Reading waits for the engine for some seconds, importing the learning libraries takes as long: both at once.
        from gnn.inference.complete import CHECKPOINTS, CompletionSession

        folder = home / CHECKPOINTS / ensure_schema(store)
        return CompletionSession(
            graph.result(),
            folder,
            precision=options.precision,
            retrain=options.retrain,
            network=options.network,
            progress=progress,
        )


def _predict(
    session: CompletionSession, task: Task, models: Integers | None, options: CompleteOptions, report: Completion,
    lines: IO[bytes] | None, progress: Progress,
) -> AttributePredictions:  # fmt: skip
    """Return the predictions of one attribute, after each was written as a line and all were counted."""
    from gnn.inference.complete import complete

    missing = rows_missing(session.graph, task.attribute)
    missing = missing if models is None else np.intersect1d(missing, models)
    predicted = AttributePredictions(task, missing)
    predicted_models = set()
    for prediction in complete(session, task, models, options.min_confidence, progress):
        if not options.dry_run:
            predicted.predictions.append(prediction)
        predicted_models.add(prediction.model)
        if lines is not None:
            lines.write(msgspec.json.encode(prediction.to_json_line(session.graph)) + b"\n")
    release_memory()
    report.missing[task.attribute] = len(missing)
    report.predicted[task.attribute] = len(predicted_models)
    return predicted


@contextmanager
def _open_lines(out: Path | None) -> Iterator[IO[bytes] | None]:
    """Yield a file that appears whole or not at all; None for no file."""
    if out is None:
        yield None
        return
    with replacing(out) as partial, partial.open("wb") as handle:
        yield handle


def track_record(store: Store) -> list[dict[str, Any]]:
    """Return the track record of earlier predictions: how many were confirmed by later declarations.

    Returns:
        One row an attribute: `predicted` models, those `declared` since, and `confirmed` and `refuted` among them.
        `precision` is the share confirmed, and `confidence` the mean of their predictions.
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
