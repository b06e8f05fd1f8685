"""Complete what models lack: learn or reuse, rank, abstain below the threshold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from atlas_db.schema import SCHEMA
from atlas_db.terms import Progress
from gnn.around import Around, Query, Table
from gnn.claims import Prediction
from gnn.graph import Graph, Integers
from gnn.learn import Completer, Ranked, learn
from gnn.tasks import HAS_PARENT, RELATION, VERSION, Task, lacking, lineage_shown
from gnn.tokens import Known

MOST = {"datasets": 20, "base_model": 10}
"""Values written a model, the best first; of all other attributes one."""
REASONS = 3
CHECKPOINTS = "completion"
"""Folder of checkpoints in the home folder."""


class Atelier:
    """Learners and what they look at, over one graph.

    Args:
        graph: The graph.
        folder: Where checkpoints lie; one an attribute.
        precision: Precision that a threshold shall reach.
        retrain: Whether checkpoints are passed over.
        progress: Told of stage, done and total.
    """

    def __init__(
        self, graph: Graph, folder: Path, *, precision: float = 0.95, retrain: bool = False,
        progress: Progress = lambda *_: None,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.trained: list[str] = []
        self.thresholds: dict[str, float] = {}
        self._folder = folder
        self._precision = precision
        self._retrain = retrain
        self._progress = progress
        self._known: dict[tuple[bool, bool], Known] = {}

    def around(self, task: Task, asked: Integers | None = None) -> Around:
        """Return what is around models for one attribute; all declarations are visible.

        That nothing is declared counts as a declaration where it is asked whether there is a parent. Models that are
        asked about are then no witnesses, neither of themselves nor of each other, unless they are most that lack one.
        """
        shown = lineage_shown(task.attribute), task.attribute != RELATION
        if shown not in self._known:
            self._known[shown] = Known(self.graph, lineage=shown[0], relation=shown[1])
        visible = ~self.graph.placeholder
        if asked is not None and 2 * len(asked) < len(lacking(self.graph, "base_model")):
            visible[asked] = False
        return Around(self.graph, task, self._known[shown], visible)

    def completer(self, around: Around) -> Completer:
        """Return what was learnt of an attribute: from its checkpoint where that fits, else learnt now.

        Raises:
            CompletionError: There is too little to learn from, or the checkpoint is damaged.
        """
        attribute = around.task.attribute
        folder = self._folder / attribute / fitting(around, self._precision)
        found = None if self._retrain else Completer.load(folder)
        if found is None:
            found = learn(around, precision=self._precision, progress=self._progress)
            shutil.rmtree(folder.parent, ignore_errors=True)
            found.save(folder)
            self.trained.append(attribute)
        return found


def fitting(around: Around, precision: float) -> str:
    """Return a digest of what a checkpoint depends on: schema, features, version."""
    text = "\n".join([VERSION, str(SCHEMA.version), str(precision), *around.features])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def complete(
    atelier: Atelier, task: Task, models: Integers | None, least: float | None, progress: Progress = lambda *_: None
) -> Iterator[Prediction]:
    """Predict one attribute of the models that lack it.

    Args:
        atelier: Learners.
        task: The attribute.
        models: Rows to look at; all by default. Those that declare the attribute are passed over.
        least: Confidence below which nothing is said; by default the threshold of the stated precision.
        progress: Told of stage, done and total.

    Yields:
        Predictions, models in order, the best value first.

    Raises:
        CompletionError: There is too little to learn from.
    """
    graph = atelier.graph
    around = atelier.around(task)
    completer = atelier.completer(around)
    rows = lacking(graph, task.attribute)
    if models is not None:
        rows = np.intersect1d(rows, models)
    query = now(graph, rows)
    limit = completer.calibration.threshold if least is None else least
    atelier.thresholds[task.attribute] = limit
    roots = None
    if task.attribute == "base_model":
        roots = _roots(atelier, query, progress)
        # Below this no candidate could reach the limit, however sure.
        hopeful = 1 - roots >= limit
        query, roots = query.part(hopeful), roots[hopeful]
    for start, part, table, ranked in completer.chunks(around, query, progress):
        own = None if roots is None else roots[start : start + len(part)]
        yield from _said(around, part, table, ranked, own, limit)


def now(graph: Graph, rows: Integers) -> Query:
    """Return models as they are today: all that is declared is seen."""
    now = float(graph.created.max()) + 1.0
    return Query(rows, np.full(len(rows), now), np.ones(len(rows), bool))


def _roots(atelier: Atelier, query: Query, progress: Progress) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the probability that each model has no parent."""
    around = atelier.around(HAS_PARENT, query.rows)
    completer = atelier.completer(around)
    no = around.column.names.index("no")
    # A model is judged by those before it, as it is where the question is learnt.
    query = Query(query.rows, atelier.graph.since[query.rows], query.told)
    ranked = completer.complete(around, query, progress)
    out = np.zeros(len(query))
    chosen = ranked.values == no
    out[ranked.places[chosen]] = ranked.probability[chosen]
    return out


def _said(
    around: Around, query: Query, table: Table, ranked: Ranked, roots: Any, limit: float  # noqa: ANN401
) -> Iterator[Prediction]:  # fmt: skip
    attribute, names = around.task.attribute, around.column.names
    order, rank = ranked.ranks()
    kept = order[rank < MOST.get(attribute, 1)]
    chance = ranked.probability if roots is None else ranked.probability * (1 - roots[ranked.places])
    for at in kept[chance[kept] >= limit]:
        yield Prediction(
            int(query.rows[ranked.places[at]]), attribute, names[ranked.values[at]], float(ranked.probability[at]),
            None if roots is None else float(roots[ranked.places[at]]),
            reasons(around, table.features[at]),
        )  # fmt: skip


def reasons(around: Around, features: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, tuple[int, int]]:
    """Return the groups that declare a candidate: of how many, how many; the most telling first."""
    found = [
        (-share, kind, (declare, of))
        for kind, share, declare, of in around.counted(features)
        if kind != "everyone" and declare > 0
    ]
    return {kind: counts for _, kind, counts in sorted(found)[:REASONS]}
