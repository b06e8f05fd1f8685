"""Predictions as lines of a file and as claims in the graph; each writing is a run that can be rolled back.

It imports no learning library: a bare install can write a file of predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from atlas_db.claims.components import without_cycles
from atlas_db.claims.lineage_sync import LineageDiff, read_charted_models, read_lineage_claims, read_lineage_edges
from atlas_db.claims.relations import guess_relation
from atlas_db.claims.resolve import fuse_claims
from atlas_db.claims.runs import begin_run, exclusive_writer, finish_run
from atlas_db.columnar.graph import Graph, rows_of
from atlas_db.columnar.read import read_graph
from atlas_db.core.arrays import Integers
from atlas_db.core.decoding import MalformedError, json_as
from atlas_db.core.errors import InputError, UsageError
from atlas_db.core.records import LineageClaim
from atlas_db.core.terms import Progress, Resolution, RunKind, Source
from atlas_db.fusion.evidence import GroupCount, RankingEvidence, encode_evidence
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.statements import all_edges, delete_edges, merge_edges
from gnn.dataset.tasks import TASKS, VERSION, Task, rows_missing, target_column, tasks_for
from gnn.parameters.completion_parameters import completion_parameters

BATCH_ROWS = 2000
"""Claims written in one transaction."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One value predicted for one model.

    Attributes:
        model: Row of the model.
        attribute: Name of the attribute.
        value: The value as the Hub spells it; a model id for `base_model`.
        confidence: Calibrated probability; for `base_model` given that there is a parent.
        no_declaration_probability: Probability that the author would declare no parent; for `base_model` only.
        derived_probability: Probability that there is a parent, declared or not; for `base_model` only.
        reasons: Groups in which the value is declared most: count of the value, and size of the group.
    """

    model: int
    attribute: str
    value: str
    confidence: float
    no_declaration_probability: float | None
    derived_probability: float | None
    reasons: dict[str, tuple[int, int]]

    def to_json_line(self, graph: Graph) -> dict[str, Any]:
        """Return the prediction as a line of a JSON lines file holds it."""
        line: dict[str, Any] = {
            "model_id": graph.ids[self.model],
            "attribute": self.attribute,
            "value": self.value,
            "confidence": round(self.confidence, 6),
        }
        return line | self.parent_probabilities()

    def parent_probabilities(self) -> dict[str, float]:
        """Return the probabilities of having a parent, rounded; empty for other attributes."""
        probabilities = {
            "no_declaration_probability": self.no_declaration_probability,
            "derived_probability": self.derived_probability,
        }
        return {name: round(value, 6) for name, value in probabilities.items() if value is not None}


@dataclass(slots=True)
class Completion:
    """Counts of a completion, by attribute.

    Attributes:
        run_id: Id of the run that wrote the claims; empty for a dry run.
        missing: Models that do not declare the attribute.
        predicted: Those of them with a value at or above the threshold.
        thresholds: Confidence from which a value is written.
        trained: Attributes whose models were fitted in this run; the others came from checkpoints.
        skipped: Attributes with too little to learn from, and the reason.
        written: Claims written.
    """

    run_id: str = ""
    missing: dict[str, int] = field(default_factory=dict)
    predicted: dict[str, int] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    written: int = 0

    def counts(self) -> dict[str, Any]:
        """Return the counts as a dictionary, by the names of the attributes above."""
        return asdict(self)


@dataclass(slots=True)
class AttributePredictions:
    """Predictions of one attribute.

    Attributes:
        task: The attribute.
        missing: Rows of the models to be completed, shape (n,); earlier predictions for them are replaced.
        predictions: What is predicted for them.
    """

    task: Task
    missing: Integers
    predictions: list[Prediction] = field(default_factory=list)


class _Line(msgspec.Struct):
    model_id: str
    attribute: str
    value: str
    confidence: float
    no_declaration_probability: float | None = None
    derived_probability: float | None = None

    def prediction(self, row: int) -> Prediction:
        """Return the prediction for the model of a row; the file holds no reasons."""
        return Prediction(
            row,
            self.attribute,
            self.value,
            self.confidence,
            self.no_declaration_probability,
            self.derived_probability,
            {},
        )


def import_predictions(store: Store, home: Path, file: Path, progress: Progress = lambda *_: None) -> Completion:
    """Write the predictions of a file that `complete` made for the same models.

    Predictions for models that declare the attribute by now are left out, and so are values that are not in the store.
    The file holds no reasons, and neither do these claims.

    Args:
        store: The store.
        home: Home folder, for the writer's lock.
        file: Predictions as JSON lines.
        progress: Called with stage, done and total.

    Returns:
        What was written.

    Raises:
        InputError: A line cannot be read.
        CompletionError: A predicted model is not in the store.
        StoreLockedError: Another process is writing.
    """
    lines, tasks = _read_lines(file)
    with exclusive_writer(store, home):
        graph = read_graph(store, datasets=TASKS["datasets"] in tasks)
        model_ids = sorted({line.model_id for line in lines})
        row_of = dict(zip(model_ids, rows_of(graph, model_ids).tolist(), strict=True))
        report = Completion()
        by_attribute = []
        for task in tasks:
            predicted = AttributePredictions(task, rows_missing(graph, task.attribute))
            missing = frozenset(predicted.missing.tolist())
            known_values = frozenset(target_column(graph, task.attribute).categories)
            importable = [
                line
                for line in lines
                if line.attribute == task.attribute and row_of[line.model_id] in missing and line.value in known_values
            ]
            predicted.predictions += [line.prediction(row_of[line.model_id]) for line in importable]
            report.missing[task.attribute] = len(missing)
            report.predicted[task.attribute] = len({each.model for each in predicted.predictions})
            by_attribute.append(predicted)
        write_predictions(store, graph, by_attribute, report, progress)
    return report


def _read_lines(file: Path) -> tuple[list[_Line], list[Task]]:
    try:
        lines = [json_as(line, _Line) for line in file.read_bytes().splitlines() if line.strip()]
        return lines, tasks_for(list(dict.fromkeys(line.attribute for line in lines)))
    except (MalformedError, UsageError) as error:
        raise InputError(f"{file}: {error}", hint="Give a file that atlas-db complete --out wrote") from error


def write_predictions(
    store: Store, graph: Graph, by_attribute: Sequence[AttributePredictions], report: Completion, progress: Progress
) -> None:
    """Write predictions as a run; they replace those of earlier runs for the same models.

    Args:
        store: The store.
        graph: The graph that was read from it.
        by_attribute: Predictions of each attribute.
        report: Counts, which get the run's id and the number of claims.
        progress: Called with stage, done and total.
    """
    attributes = [each.task.attribute for each in by_attribute]
    tuned = {each.name: each.value for each in completion_parameters()}
    parameters = {"attributes": attributes, "version": VERSION, "parameters": tuned}
    run_id = report.run_id = begin_run(store, RunKind.COMPLETION, parameters)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for each in by_attribute:
        progress(f"Write {each.task.attribute}", 0, 0)
        if each.task.attribute == "base_model":
            report.written += _write_parents(store, graph, each, run_id, today)
        else:
            report.written += _write_claims(store, graph, each, run_id, today)
    finish_run(store, run_id, {"missing": report.missing, "predicted": report.predicted, "claims": report.written})


def _write_claims(store: Store, graph: Graph, predicted: AttributePredictions, run_id: str, today: str) -> int:
    """Write the predicted values of one attribute, and delete earlier ones; return how many were written."""
    relation, label = predicted.task.relationship, predicted.task.node_label
    missing = {graph.ids[row] for row in predicted.missing}
    wanted = {(graph.ids[row.model], row.value) for row in predicted.predictions}
    old = [
        {"a": model, "b": value, "set": {"source": Source.PREDICTED.value}}
        for model, value, source in store.fetch_all(all_edges(relation, "Model", label, ("source",)))
        if source == Source.PREDICTED and model in missing and (model, value) not in wanted
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
        for row in predicted.predictions
    ]
    Batches(store, BATCH_ROWS).run(old, partial(_send, delete_edges(relation, "Model", label)))
    Batches(store, BATCH_ROWS).run(new, partial(_send, merge_edges(relation, "Model", label)))
    return len(new)


def _send(statement: Any, tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:  # noqa: ANN401
    tx.run_batch(statement, rows)


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)


def _evidence(prediction: Prediction) -> str:
    """Return the evidence of a prediction as JSON: its groups, and the probabilities of a parent."""
    groups = {name: GroupCount(count, size) for name, (count, size) in prediction.reasons.items()}
    return encode_evidence(
        RankingEvidence(
            groups=groups,
            no_declaration_probability=_rounded(prediction.no_declaration_probability),
            derived_probability=_rounded(prediction.derived_probability),
        )
    )


def _write_parents(store: Store, graph: Graph, predicted: AttributePredictions, run_id: str, today: str) -> int:
    """Write predicted parents as claims and fuse them with all others; return how many were written.

    Those that close a cycle are left out: known lineage stays, and of predictions the likeliest.
    """
    missing = {graph.ids[row] for row in predicted.missing}
    old = read_lineage_claims(store)
    replaced = {
        (item.child, item.parent): item for item in old if item.source is Source.PREDICTED and item.child in missing
    }
    ids = np.array(graph.ids, object)
    known = zip(ids[graph.parents.rows], ids[graph.parents.values], strict=True)
    new = without_cycles([_lineage_claim(graph, row, today) for row in predicted.predictions], known)
    others = [item for item in old if (item.child, item.parent) not in replaced or item.source is not Source.PREDICTED]
    fused = list(fuse_claims([*others, *new], read_charted_models(store)))
    plan = LineageDiff(Source.PREDICTED, new, replaced.values(), fused, read_lineage_edges(store), run_id)
    plan.write(store, set(graph.ids), BATCH_ROWS)
    return len(new)


def _lineage_claim(graph: Graph, prediction: Prediction, today: str) -> LineageClaim:
    """Return a predicted parent as a claim.

    Its confidence is P(parent | derived) * P(derived) * P(relation).
    """
    child = graph.ids[prediction.model]
    tags = graph.columns["tags"]
    library = graph.columns["library_name"]
    libraries = [library.categories[value] for value in library.codes.row(prediction.model)]
    tag_names = [tags.categories[value] for value in tags.codes.row(prediction.model)]
    relation, relation_confidence, _ = guess_relation(
        child.rpartition("/")[2], tag_names, libraries[0] if libraries else None, 1
    )
    p_derived = (
        1 - (prediction.no_declaration_probability or 0.0)
        if prediction.derived_probability is None
        else prediction.derived_probability
    )
    p_parent = prediction.confidence * p_derived
    return LineageClaim(
        child, prediction.value, Source.PREDICTED, relation, round(p_parent * relation_confidence, 6), VERSION,
        prediction.value, Resolution.EXACT, _evidence(prediction), today, today, None,
    )  # fmt: skip
