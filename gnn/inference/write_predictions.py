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
from gnn.dataset.assemble import read_all
from gnn.dataset.tasks import Task, lacking, tasks_of
from gnn.inference.predictions import Completion, Predicted, write_predictions
from ingest.load.runs import writing

if TYPE_CHECKING:
    from gnn.inference.complete import Atelier


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """How to complete.

    Attributes:
        attributes: Which; all where none is named.
        models: Ids to look at; all where None.
        out: File for predictions as JSON lines.
        least: Confidence below which nothing is said; by default where `precision` was reached.
        precision: Precision aimed at.
        dry_run: True where the store stays as it is.
        retrain: True where checkpoints are passed over.
        strict: True where an attribute with too little to learn from is an error, not skipped.
    """

    attributes: Sequence[str] = ()
    models: Sequence[str] | None = None
    out: Path | None = None
    least: float | None = None
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
    tasks = tasks_of(options.attributes)
    with nullcontext() if options.dry_run else writing(store, home):
        progress("Read the graph", 0, 0)
        atelier = _atelier(store, home, tasks, options, progress)
        graph = atelier.graph
        models = None if options.models is None else rows_of(graph, options.models)
        report = Completion()
        found = []
        with _lines(options.out) as lines:
            for task in tasks:
                try:
                    found.append(_predict(atelier, task, models, options, report, lines, progress))
                except CompletionError as error:
                    if options.strict:
                        raise
                    report.skipped[task.attribute] = error.message
            if not found:
                raise CompletionError("no attribute can be completed", hint=" ".join(report.skipped.values()))
        report.trained, report.thresholds = atelier.trained, atelier.thresholds
        if not options.dry_run:
            write_predictions(store, graph, found, report, progress)
    return report


def _atelier(store: Store, home: Path, tasks: list[Task], options: CompleteOptions, progress: Progress) -> Atelier:
    with ThreadPoolExecutor(1) as beside:
        reading: Future[Graph] = beside.submit(read_all, store, home, tasks)
        # The engine is busy for some seconds, and so is Python with what learners import: both at once.
        from gnn.inference.complete import CHECKPOINTS, Atelier

        folder = home / CHECKPOINTS / ensure_schema(store)
        return Atelier(
            reading.result(), folder, precision=options.precision, retrain=options.retrain, progress=progress
        )


def _predict(
    atelier: Atelier, task: Task, models: Integers | None, options: CompleteOptions, report: Completion,
    lines: IO[bytes] | None, progress: Progress,
) -> Predicted:  # fmt: skip
    from gnn.inference.complete import complete

    asked = lacking(atelier.graph, task.attribute)
    asked = asked if models is None else np.intersect1d(asked, models)
    kept = Predicted(task, asked)
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
