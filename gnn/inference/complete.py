"""Complete what models lack: learn or reuse, rank, abstain below the threshold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from atlas_db.core.schema import SCHEMA
from atlas_db.core.terms import Progress
from gnn.dataset.hashed_tokens import Known
from gnn.dataset.tasks import (
    HAS_PARENT,
    RELATION,
    SENTENCES,
    VERSION,
    Task,
    lacking,
    lineage_shown,
)
from gnn.features.neighbours import Around, Query, Table
from gnn.inference.predictions import Prediction
from gnn.models.attribute_model import Completer, Ranked
from gnn.models.reporting_propensity import Reckoning, Silence, is_known
from gnn.models.training import learn

MOST = {"datasets": 20, "base_model": 10}
"""Values written a model, the best first; of all other attributes one."""
REASONS = 3
SPEAKS = 0.1
"""Chance that a parent would be named, from which on it is always asked whether an author would name one."""
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

    def silence(self, around: Around) -> Silence | None:
        """Return what was learnt of authors who name no parent: from its checkpoint where that fits, else learnt now.

        Raises:
            CompletionError: The checkpoint is damaged.
        """
        folder = self._folder / "silence" / fitting(around, self._precision)
        found = None if self._retrain else Silence.load(folder)
        if found is None:
            self._progress("Learn who names parents", 0, 0)
            shutil.rmtree(folder.parent, ignore_errors=True)
            if (found := Silence.learn(around)) is not None:
                found.save(folder)
        return found


def fitting(around: Around, precision: float) -> str:
    """Return a digest of what a checkpoint depends on: schema, features, version."""
    read = [name for name in around.graph.columns if name.startswith(SENTENCES)]
    text = "\n".join([VERSION, str(SCHEMA.version), str(precision), *read, *around.features])
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
    whence = None
    if task.attribute == "base_model":
        whence = origin(atelier, query, limit, progress)
        # Below this no candidate could reach the limit, however sure.
        hopeful = whence.derived >= limit
        query, whence = query.part(hopeful), whence.part(hopeful)
    for start, part, table, ranked in completer.chunks(around, query, progress):
        own = None if whence is None else whence.part(slice(start, start + len(part)))
        yield from _said(around, part, table, ranked, own, limit)


def now(graph: Graph, rows: Integers) -> Query:
    """Return models as they are today: all that is declared is seen."""
    now = float(graph.created.max()) + 1.0
    return Query(rows, np.full(len(rows), now), np.ones(len(rows), bool))


class Origin(NamedTuple):
    """Whether models come from others.

    Attributes:
        unnamed: Chance that an author would name no parent, shape (q,).
        derived: Chance that there is one, whether authors say so or not, shape (q,).
        reckoned: What words and habits say of it; None where too few names show a parent.
    """

    unnamed: Doubles
    derived: Doubles
    reckoned: Reckoning | None

    def part(self, chosen: Flags | slice) -> Origin:
        """Return what is said of some of them."""
        why = self.reckoned
        reckoned = None if why is None else Reckoning(why.derives[chosen], why.says[chosen])
        return Origin(self.unnamed[chosen], self.derived[chosen], reckoned)


def origin(atelier: Atelier, query: Query, least: float = 0.0, progress: Progress = lambda *_: None) -> Origin:
    """Return whether models that name no parent have one.

    That there is one is as sure as the surer of two says: that its author would name one; and words, habits of silence
    given (`gnn/models/reporting_propensity.py`). The first is asked where authors speak, and of models that others
    derive from; else where the second is sure enough.

    Args:
        atelier: Learners.
        query: Models that name no parent.
        least: Chance that there is one below which it does not matter.
        progress: Told of stage, done and total.
    """
    around = atelier.around(HAS_PARENT, query.rows)
    # A model is judged by those before it, as it is where the question is learnt.
    query = Query(query.rows, atelier.graph.since[query.rows], query.told)
    silence = atelier.silence(around)
    reckoned = None if silence is None else silence.of(around, query)
    derived, asked = np.zeros(len(query)), np.ones(len(query), bool)
    if reckoned is not None:
        known = is_known(atelier.graph, query.rows)
        derived = np.where(known, 0.0, 1 - reckoned.roots)
        asked = known | (reckoned.says >= SPEAKS) | (derived >= least)
    places = np.flatnonzero(asked)
    ranked = atelier.completer(around).complete(around, query.part(places), progress)
    chosen = ranked.values == around.column.names.index("no")
    unnamed = np.ones(len(query))
    unnamed[places[ranked.places[chosen]]] = ranked.probability[chosen]
    return Origin(unnamed, np.maximum(derived, 1 - unnamed), reckoned)


def _said(
    around: Around, query: Query, table: Table, ranked: Ranked, whence: Origin | None, limit: float
) -> Iterator[Prediction]:  # fmt: skip
    attribute, names = around.task.attribute, around.column.names
    order, rank = ranked.ranks()
    kept = order[rank < MOST.get(attribute, 1)]
    chance = ranked.probability if whence is None else ranked.probability * whence.derived[ranked.places]
    for at in kept[chance[kept] >= limit]:
        yield Prediction(
            int(query.rows[ranked.places[at]]), attribute, names[ranked.values[at]], float(ranked.probability[at]),
            None if whence is None else float(whence.unnamed[ranked.places[at]]),
            None if whence is None else float(whence.derived[ranked.places[at]]),
            reasons(around, table.features[at]),
        )  # fmt: skip


def reasons(around: Around, features: Floats) -> dict[str, tuple[int, int]]:
    """Return the groups that declare a candidate: of how many, how many; the most telling first."""
    found = [
        (-share, kind, (declare, of))
        for kind, share, declare, of in around.counted(features)
        if kind != "everyone" and declare > 0
    ]
    return {kind: counts for _, kind, counts in sorted(found)[:REASONS]}
