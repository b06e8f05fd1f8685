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
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.tasks import (
    HAS_PARENT,
    RELATION,
    SENTENCES,
    VERSION,
    Task,
    rows_missing,
    uses_lineage,
)
from gnn.features.neighbours import CandidateTable, CompletionQuery, Neighbourhood
from gnn.inference.predictions import Prediction
from gnn.models.attribute_model import AttributeModel, RankedCandidates
from gnn.models.reporting_propensity import Missingness, PropensityModel, has_known_children
from gnn.models.training import fit_attribute_model

MAX_VALUES = {"datasets": 20, "base_model": 10}
"""Values written a model, the best first; of all other attributes one."""
MAX_REASONS = 3
MIN_PROPENSITY = 0.1
"""Chance that a parent would be named, from which on it is always asked whether an author would name one."""
CHECKPOINTS = "completion"
"""Folder of checkpoints in the home folder."""


class CompletionSession:
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
        self._token_tables: dict[tuple[bool, bool], TokenTable] = {}

    def neighbourhood(self, task: Task, rows: Integers | None = None) -> Neighbourhood:
        """Return what is around models for one attribute; all declarations are visible.

        That nothing is declared counts as a declaration where it is asked whether there is a parent. Models that are
        asked about are then no witnesses, neither of themselves nor of each other, unless they are most that lack one.
        """
        token_kinds = uses_lineage(task.attribute), task.attribute != RELATION
        if token_kinds not in self._token_tables:
            self._token_tables[token_kinds] = TokenTable(self.graph, lineage=token_kinds[0], relation=token_kinds[1])
        visible = ~self.graph.placeholder
        if rows is not None and 2 * len(rows) < len(rows_missing(self.graph, "base_model")):
            visible[rows] = False
        return Neighbourhood(self.graph, task, self._token_tables[token_kinds], visible)

    def attribute_model(self, neighbourhood: Neighbourhood) -> AttributeModel:
        """Return what was learnt of an attribute: from its checkpoint where that fits, else learnt now.

        Raises:
            CompletionError: There is too little to learn from, or the checkpoint is damaged.
        """
        attribute = neighbourhood.task.attribute
        folder = self._folder / attribute / checkpoint_key(neighbourhood, self._precision)
        found = None if self._retrain else AttributeModel.load(folder)
        if found is None:
            found = fit_attribute_model(neighbourhood, precision=self._precision, progress=self._progress)
            shutil.rmtree(folder.parent, ignore_errors=True)
            found.save(folder)
            self.trained.append(attribute)
        return found

    def propensity_model(self, neighbourhood: Neighbourhood) -> PropensityModel | None:
        """Return what was learnt of authors who name no parent: from its checkpoint where that fits, else learnt now.

        Raises:
            CompletionError: The checkpoint is damaged.
        """
        folder = self._folder / "propensity" / checkpoint_key(neighbourhood, self._precision)
        found = None if self._retrain else PropensityModel.load(folder)
        if found is None:
            self._progress("Learn who names parents", 0, 0)
            shutil.rmtree(folder.parent, ignore_errors=True)
            if (found := PropensityModel.fit(neighbourhood)) is not None:
                found.save(folder)
        return found


def checkpoint_key(neighbourhood: Neighbourhood, precision: float) -> str:
    """Return a digest of what a checkpoint depends on: schema, features, version."""
    embedding_columns = [name for name in neighbourhood.graph.columns if name.startswith(SENTENCES)]
    text = "\n".join([VERSION, str(SCHEMA.version), str(precision), *embedding_columns, *neighbourhood.feature_names])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def complete(
    session: CompletionSession,
    task: Task,
    models: Integers | None,
    min_confidence: float | None,
    progress: Progress = lambda *_: None,
) -> Iterator[Prediction]:
    """Predict one attribute of the models that lack it.

    Args:
        session: Learners.
        task: The attribute.
        models: Rows to look at; all by default. Those that declare the attribute are passed over.
        min_confidence: Confidence below which nothing is said; by default the threshold of the stated precision.
        progress: Told of stage, done and total.

    Yields:
        Predictions, models in order, the best value first.

    Raises:
        CompletionError: There is too little to learn from.
    """
    graph = session.graph
    neighbourhood = session.neighbourhood(task)
    attribute_model = session.attribute_model(neighbourhood)
    rows = rows_missing(graph, task.attribute)
    if models is not None:
        rows = np.intersect1d(rows, models)
    query = latest_query(graph, rows)
    threshold = attribute_model.calibration.threshold if min_confidence is None else min_confidence
    session.thresholds[task.attribute] = threshold
    prior = None
    if task.attribute == "base_model":
        prior = parent_prior(session, query, threshold, progress)
        # Below this no candidate could reach the limit, however sure.
        is_reachable = prior.p_derived >= threshold
        query, prior = query.subset(is_reachable), prior.part(is_reachable)
    for start, part, table, ranked in attribute_model.rank_in_chunks(neighbourhood, query, progress):
        chunk_prior = None if prior is None else prior.part(slice(start, start + len(part)))
        yield from _predictions(neighbourhood, part, table, ranked, chunk_prior, threshold)


def latest_query(graph: Graph, rows: Integers) -> CompletionQuery:
    """Return models as they are today: all that is declared is seen."""
    after_newest = float(graph.created.max()) + 1.0
    return CompletionQuery(rows, np.full(len(rows), after_newest), np.ones(len(rows), bool))


class ParentPrior(NamedTuple):
    """Whether models come from others.

    Attributes:
        p_unreported: Chance that an author would name no parent, shape (q,).
        p_derived: Chance that there is one, whether authors say so or not, shape (q,).
        missingness: What words and habits say of it; None where too few names show a parent.
    """

    p_unreported: Doubles
    p_derived: Doubles
    missingness: Missingness | None

    def part(self, chosen: Flags | slice) -> ParentPrior:
        """Return what is said of some of them."""
        missingness = self.missingness
        chosen_missingness = (
            None if missingness is None else Missingness(missingness.p_derived[chosen], missingness.p_reported[chosen])
        )
        return ParentPrior(self.p_unreported[chosen], self.p_derived[chosen], chosen_missingness)


def parent_prior(
    session: CompletionSession, query: CompletionQuery, min_derived: float = 0.0, progress: Progress = lambda *_: None
) -> ParentPrior:
    """Return whether models that name no parent have one.

    That there is one is as sure as the surer of two says: that its author would name one; and words, habits of silence
    given (`gnn/models/reporting_propensity.py`). The first is asked where authors speak, and of models that others
    derive from; else where the second is sure enough.

    Args:
        session: Learners.
        query: Models that name no parent.
        min_derived: Chance that there is one below which it does not matter.
        progress: Told of stage, done and total.
    """
    neighbourhood = session.neighbourhood(HAS_PARENT, query.rows)
    # A model is judged by those before it, as it is where the question is learnt.
    query = CompletionQuery(query.rows, session.graph.event_time[query.rows], query.metadata_visible)
    propensity_model = session.propensity_model(neighbourhood)
    missingness = None if propensity_model is None else propensity_model.predict_proba(neighbourhood, query)
    p_derived, is_ranked = np.zeros(len(query)), np.ones(len(query), bool)
    if missingness is not None:
        has_children = has_known_children(session.graph, query.rows)
        p_derived = np.where(has_children, 0.0, 1 - missingness.p_root)
        is_ranked = has_children | (missingness.p_reported >= MIN_PROPENSITY) | (p_derived >= min_derived)
    places = np.flatnonzero(is_ranked)
    ranked = session.attribute_model(neighbourhood).predict_proba(neighbourhood, query.subset(places), progress)
    chosen = ranked.values == neighbourhood.column.categories.index("no")
    p_unreported = np.ones(len(query))
    p_unreported[places[ranked.query_index[chosen]]] = ranked.probability[chosen]
    return ParentPrior(p_unreported, np.maximum(p_derived, 1 - p_unreported), missingness)


def _predictions(
    neighbourhood: Neighbourhood,
    query: CompletionQuery,
    table: CandidateTable,
    ranked: RankedCandidates,
    prior: ParentPrior | None,
    threshold: float,
) -> Iterator[Prediction]:
    attribute, names = neighbourhood.task.attribute, neighbourhood.column.categories
    order, rank = ranked.order_and_rank()
    kept = order[rank < MAX_VALUES.get(attribute, 1)]
    p_unconditional = ranked.probability if prior is None else ranked.probability * prior.p_derived[ranked.query_index]
    for at in kept[p_unconditional[kept] >= threshold]:
        yield Prediction(
            int(query.rows[ranked.query_index[at]]), attribute, names[ranked.values[at]], float(ranked.probability[at]),
            None if prior is None else float(prior.p_unreported[ranked.query_index[at]]),
            None if prior is None else float(prior.p_derived[ranked.query_index[at]]),
            supporting_groups(neighbourhood, table.features[at]),
        )  # fmt: skip


def supporting_groups(neighbourhood: Neighbourhood, features: Floats) -> dict[str, tuple[int, int]]:
    """Return the groups that declare a candidate: of how many, how many; the most telling first."""
    ranked_groups = [
        (-share, kind, (declare, of))
        for kind, share, declare, of in neighbourhood.group_counts(features)
        if kind != "all models" and declare > 0
    ]
    return {kind: counts for _, kind, counts in sorted(ranked_groups)[:MAX_REASONS]}
