"""Predictions as lines of a file, and as claims in the graph, of a run of their own that can be taken back.

Needs no learner: what `complete` once predicted can be written where none is installed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.columnar.graph import Graph, rows_of
from atlas_db.columnar.read import read_graph
from atlas_db.core.arrays import Integers
from atlas_db.core.components import strongly_connected
from atlas_db.core.errors import InputError, UsageError
from atlas_db.core.records import LineageClaim
from atlas_db.core.terms import Progress, Resolution, RunKind, Source
from atlas_db.fusion.evidence import GroupCount, RankingEvidence, encode_evidence
from atlas_db.store.batches import Batches
from atlas_db.store.bolt import Store, Transaction
from atlas_db.store.statements import all_edges, delete_edges, merge_edges
from gnn.dataset.tasks import TASKS, VERSION, Task, rows_missing, target_column, tasks_for
from ingest.load.lineage_sync import Plan, read_charted, read_edges, read_testimony
from ingest.load.resolve import fuse_all
from ingest.load.runs import begin, finish, writing
from ingest.normalise.relations import guess_relation

BATCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Prediction:
    """One value predicted for one model.

    Attributes:
        model: Row of the model.
        attribute: Its attribute.
        value: As the Hub declares it; an id of the graph for `base_model`.
        confidence: Calibrated, 0..1; of a parent given that there is one.
        root_probability: That its author would name no parent, as far as declarations tell; only of `base_model`.
        derived_probability: That there is a parent, whether its author would say so or not; only of `base_model`.
        reasons: Groups that declare the value and how many of how many do, the most telling first.
    """

    model: int
    attribute: str
    value: str
    confidence: float
    root_probability: float | None
    derived_probability: float | None
    reasons: dict[str, tuple[int, int]]

    def to_json_line(self, graph: Graph) -> dict[str, Any]:
        """Return the prediction as a line of JSON holds it."""
        line: dict[str, Any] = {
            "model_id": graph.ids[self.model],
            "attribute": self.attribute,
            "value": self.value,
            "confidence": round(self.confidence, 6),
        }
        return line | self.parent_probabilities()

    def parent_probabilities(self) -> dict[str, float]:
        """Return whether there is a parent, where that was asked."""
        probabilities = {"root_probability": self.root_probability, "derived_probability": self.derived_probability}
        return {name: round(chance, 6) for name, chance in probabilities.items() if chance is not None}


@dataclass(slots=True)
class Completion:
    """What a run did, an attribute each.

    Attributes:
        run_id: The run that wrote it; empty for a dry run.
        missing: Models that lack the attribute.
        predicted: Of these, those predicted at or above the threshold.
        thresholds: Confidence from which a value is written.
        trained: Attributes that were learnt in this run; the others came from checkpoints.
        skipped: Attributes with too little to learn from, and why.
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
        """Return everything as plain values."""
        return asdict(self)


@dataclass(slots=True)
class AttributePredictions:
    """Predictions of one attribute that go into the graph, and the models that were asked about."""

    task: Task
    missing: Integers
    predictions: list[Prediction] = field(default_factory=list)


class _Line(msgspec.Struct):
    model_id: str
    attribute: str
    value: str
    confidence: float
    root_probability: float | None = None
    derived_probability: float | None = None

    def prediction(self, row: int) -> Prediction:
        """Return the prediction, of a model by its row."""
        return Prediction(
            row, self.attribute, self.value, self.confidence, self.root_probability, self.derived_probability, {}
        )


def import_predictions(store: Store, home: Path, file: Path, progress: Progress = lambda *_: None) -> Completion:
    """Write the predictions of a file that `complete` made of the same models.

    Models that declare by now are left out, and so are values that the store does not hold. The file does not say what
    each prediction rests on: these claims have no reasons.

    Args:
        store: The store.
        home: Home folder, for the writer's lock.
        file: Predictions as JSON lines.
        progress: Told of stage, done and total.

    Raises:
        InputError: A line cannot be read.
        CompletionError: It speaks of a model that the store does not hold.
        StoreLockedError: Another process is writing.
    """
    lines, tasks = _read_lines(file)
    with writing(store, home):
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
        lines = [msgspec.json.decode(line, type=_Line) for line in file.read_bytes().splitlines() if line.strip()]
        return lines, tasks_for(list(dict.fromkeys(line.attribute for line in lines)))
    except (msgspec.MsgspecError, UsageError) as error:
        raise InputError(f"{file}: {error}", hint="Give a file that atlas-db complete --out wrote") from error


def write_predictions(
    store: Store, graph: Graph, by_attribute: Sequence[AttributePredictions], report: Completion, progress: Progress
) -> None:
    """Write predictions as a run of their own; what an earlier one predicted for the same models is replaced.

    Args:
        store: The store.
        graph: What was read of it.
        by_attribute: Predictions, an attribute each.
        report: Gets the run's id and the number of claims.
        progress: Told of stage, done and total.
    """
    parameters = {"attributes": [each.task.attribute for each in by_attribute], "version": VERSION}
    run_id = report.run_id = begin(store, RunKind.COMPLETION, parameters)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for each in by_attribute:
        progress(f"Write {each.task.attribute}", 0, 0)
        if each.task.attribute == "base_model":
            report.written += _write_parents(store, graph, each, run_id, today)
        else:
            report.written += _write_claims(store, graph, each, run_id, today)
    finish(store, run_id, {"missing": report.missing, "predicted": report.predicted, "claims": report.written})


def _write_claims(store: Store, graph: Graph, predicted: AttributePredictions, run_id: str, today: str) -> int:
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
    """Return the reasons of a prediction as JSON."""
    groups = {name: GroupCount(count, size) for name, (count, size) in prediction.reasons.items()}
    return encode_evidence(
        RankingEvidence(
            groups=groups,
            root_probability=_rounded(prediction.root_probability),
            derived_probability=_rounded(prediction.derived_probability),
        )
    )


def _write_parents(store: Store, graph: Graph, predicted: AttributePredictions, run_id: str, today: str) -> int:
    """Write predicted parents as testimony and fuse it with all other; what would close a ring is left out."""
    missing = {graph.ids[row] for row in predicted.missing}
    old = read_testimony(store)
    replaced = {
        (item.child, item.parent): item for item in old if item.source is Source.PREDICTED and item.child in missing
    }
    new = [_lineage_claim(graph, row, today) for row in drop_cycles(graph, predicted.predictions)]
    others = [item for item in old if (item.child, item.parent) not in replaced or item.source is not Source.PREDICTED]
    fused = list(fuse_all([*others, *new], read_charted(store)))
    plan = Plan(Source.PREDICTED, new, replaced, fused, read_edges(store), run_id)
    plan.write(store, set(graph.ids), BATCH_ROWS)
    return len(new)


def drop_cycles(graph: Graph, predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return the predicted parents that close no cycle, neither with known lineage nor with each other.

    Of a cycle every predicted edge is dropped: nothing tells which of them is wrong. Edges that are known stay.
    """
    row_of = {identifier: row for row, identifier in enumerate(graph.ids)}
    predicted = [(each.model, row_of[each.value]) for each in predictions]
    edges: dict[int, list[int]] = defaultdict(list)
    for child, parent in (*zip(graph.parents.rows.tolist(), graph.parents.values.tolist(), strict=True), *predicted):
        edges[child].append(parent)
    first_of = {row: rows[0] for rows in strongly_connected(edges) for row in rows}
    return [
        each
        for each, (child, parent) in zip(predictions, predicted, strict=True)
        if first_of.get(child, child) != first_of.get(parent, parent)
    ]


def _lineage_claim(graph: Graph, prediction: Prediction, today: str) -> LineageClaim:
    child = graph.ids[prediction.model]
    tags = graph.columns["tags"]
    library = graph.columns["library_name"]
    libraries = [library.categories[value] for value in library.codes.row(prediction.model)]
    tag_names = [tags.categories[value] for value in tags.codes.row(prediction.model)]
    relation, relation_confidence, _ = guess_relation(
        child.rpartition("/")[2], tag_names, libraries[0] if libraries else None, 1
    )
    p_derived = (
        1 - (prediction.root_probability or 0.0)
        if prediction.derived_probability is None
        else prediction.derived_probability
    )
    p_parent = prediction.confidence * p_derived
    return LineageClaim(
        child, prediction.value, Source.PREDICTED, relation, round(p_parent * relation_confidence, 6), VERSION,
        prediction.value, Resolution.EXACT, _evidence(prediction), today, today, None,
    )  # fmt: skip
