"""Completion: fit or load the models of an attribute, rank candidates, abstain below the threshold."""

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
from gnn.dataset.hashed_tokens import NameTokens, TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import EMBEDDING_COLUMN, HAS_PARENT, RELATION, VERSION, Task, rows_missing, uses_lineage
from gnn.features.candidate_table import CandidateTable, CandidateTableBuilder
from gnn.inference.predictions import Prediction
from gnn.models.attribute_model import AttributeModel, RankedCandidates
from gnn.models.memory import release_memory
from gnn.models.reporting_propensity import Missingness, PropensityModel, has_known_children
from gnn.models.training import fit_attribute_model
from gnn.parameters.model_parameters import MODEL

CHECKPOINTS = "completion"
"""Folder of checkpoints in the home folder."""


class CompletionSession:
    """The models of all attributes over one graph, each fitted when it is first needed or loaded from its checkpoint.

    Args:
        graph: The graph.
        folder: Folder of the checkpoints, one an attribute.
        precision: Precision that a threshold shall reach.
        retrain: Whether checkpoints are ignored.
        network: Whether a graph network takes part.
        progress: Called with stage, done and total.

    Attributes:
        trained: Attributes whose models were fitted in this session, in order.
        thresholds: Threshold of each attribute that was completed.
    """

    def __init__(
        self, graph: Graph, folder: Path, *, precision: float = 0.95, retrain: bool = False, network: bool = False,
        progress: Progress = lambda *_: None,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.trained: list[str] = []
        self.thresholds: dict[str, float] = {}
        self._folder = folder
        self._precision = precision
        self._retrain = retrain
        self._network = network
        self._progress = progress
        self._name_tokens = NameTokens(graph)
        self._token_tables: dict[tuple[bool, bool], TokenTable] = {}

    def neighbourhood(self, task: Task, rows: Integers | None = None) -> Neighbourhood:
        """Return the neighbourhood of models for one attribute, with all declarations visible.

        Whether a model has a parent counts as declared also where the answer is no. The models to be completed would
        then be examples of models without a parent. They are hidden, from themselves and from each other, unless they
        are most of the models without one.

        Args:
            task: The attribute.
            rows: Models to be completed, whose declarations may be hidden; None for no such models.
        """
        token_kinds = uses_lineage(task.attribute), task.attribute != RELATION
        if token_kinds not in self._token_tables:
            lineage, relation = token_kinds
            self._token_tables[token_kinds] = TokenTable(
                self.graph, lineage=lineage, relation=relation, names=self._name_tokens
            )
        visible = ~self.graph.placeholder
        if rows is not None and 2 * len(rows) < len(rows_missing(self.graph, "base_model")):
            visible[rows] = False
        return Neighbourhood(self.graph, task, self._token_tables[token_kinds], visible)

    def attribute_model(self, neighbourhood: Neighbourhood) -> AttributeModel:
        """Return the model of an attribute: of the checkpoint with the same key, else fitted now.

        Raises:
            CompletionError: There is too little to learn from, or the checkpoint is damaged.
        """
        attribute = neighbourhood.task.attribute
        folder = self._folder / attribute / checkpoint_key(neighbourhood, self._precision, network=self._network)
        model = None if self._retrain else AttributeModel.load(folder)
        if model is None:
            model = fit_attribute_model(
                neighbourhood, precision=self._precision, network=self._network, progress=self._progress
            )
            release_memory()
            shutil.rmtree(folder.parent, ignore_errors=True)
            model.save(folder)
            self.trained.append(attribute)
        return model

    def propensity_model(self, neighbourhood: Neighbourhood) -> PropensityModel | None:
        """Return the propensity model: of the checkpoint with the same key, else fitted now.

        Returns:
            None where too few names contain a known parent.

        Raises:
            CompletionError: The checkpoint is damaged.
        """
        folder = self._folder / "propensity" / checkpoint_key(neighbourhood, self._precision)
        model = None if self._retrain else PropensityModel.load(folder)
        if model is None:
            self._progress("Learn reporting propensity", 0, 0)
            shutil.rmtree(folder.parent, ignore_errors=True)
            if (model := PropensityModel.fit(neighbourhood)) is not None:
                model.save(folder)
        return model


def checkpoint_key(neighbourhood: Neighbourhood, precision: float, *, network: bool = False) -> str:
    """Return a digest of what a checkpoint depends on: versions, schema, precision, features, a network or none."""
    embedding_columns = [name for name in neighbourhood.graph.columns if name.startswith(EMBEDDING_COLUMN)]
    feature_names = neighbourhood.derived(CandidateTableBuilder).feature_names
    text = "\n".join([VERSION, str(SCHEMA.version), str(precision), str(network), *embedding_columns, *feature_names])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def complete(
    session: CompletionSession,
    task: Task,
    models: Integers | None,
    min_confidence: float | None,
    progress: Progress = lambda *_: None,
) -> Iterator[Prediction]:
    """Predict one attribute of the models that do not declare it.

    Args:
        session: The models of all attributes.
        task: The attribute.
        models: Rows to complete; None for all. Those that declare the attribute are left out.
        min_confidence: Confidence below which it abstains; None for the threshold of the session's precision.
        progress: Called with stage, done and total.

    Yields:
        Predictions by model, the value of the highest score first.

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
        # A parent's confidence is multiplied by the prior: below the threshold, no candidate can reach it.
        is_reachable = prior.p_derived >= threshold
        query, prior = query.subset(is_reachable), prior.part(is_reachable)
    for start, part, table, ranked in attribute_model.rank_in_chunks(neighbourhood, query, progress):
        chunk_prior = None if prior is None else prior.part(slice(start, start + len(part)))
        yield from _predictions(neighbourhood, part, table, ranked, chunk_prior, threshold)


def latest_query(graph: Graph, rows: Integers) -> CompletionQuery:
    """Return models with a cutoff after the newest model, and their metadata, shape (q,)."""
    after_newest = float(graph.created.max()) + 1.0
    return CompletionQuery(rows, np.full(len(rows), after_newest), np.ones(len(rows), bool))


class ParentPrior(NamedTuple):
    """Probability that models have a parent, before it is known which.

    Attributes:
        p_unreported: Probability that the author would declare no parent, shape (q,).
        p_derived: Probability that there is a parent, declared or not, shape (q,).
        missingness: Its two factors by the propensity model; None where that could not be fitted.
    """

    p_unreported: Doubles
    p_derived: Doubles
    missingness: Missingness | None

    def part(self, chosen: Flags | slice) -> ParentPrior:
        """Return the prior of some of the models."""
        missingness = self.missingness
        if missingness is not None:
            missingness = Missingness(missingness.p_derived[chosen], missingness.p_reported[chosen])
        return ParentPrior(self.p_unreported[chosen], self.p_derived[chosen], missingness)


def parent_prior(
    session: CompletionSession, query: CompletionQuery, min_derived: float = 0.0, progress: Progress = lambda *_: None
) -> ParentPrior:
    """Return the probability that models which declare no parent have one.

    It is the larger of two estimates. The first is the probability that the author would declare a parent. The second
    is 1 - p_root of the propensity model (`gnn/models/reporting_propensity.py`). The first is computed where the
    propensity is high enough, for models with known children, and where the second reaches `min_derived`.

    Args:
        session: The models of all attributes.
        query: Models that declare no parent, shape (q,).
        min_derived: Probability below which a model's prior is of no use.
        progress: Called with stage, done and total.

    Raises:
        CompletionError: There is too little to learn from, or a checkpoint is damaged.
    """
    neighbourhood = session.neighbourhood(HAS_PARENT, query.rows)
    # The cutoff is the model's own date, as in training: only older models count.
    query = CompletionQuery(query.rows, session.graph.event_time[query.rows], query.metadata_visible)
    propensity_model = session.propensity_model(neighbourhood)
    missingness = None if propensity_model is None else propensity_model.predict_proba(neighbourhood, query)
    p_derived, is_ranked = np.zeros(len(query)), np.ones(len(query), bool)
    if missingness is not None:
        has_children = has_known_children(session.graph, query.rows)
        p_derived = np.where(has_children, 0.0, 1 - missingness.p_root)
        is_ranked = (
            has_children
            | (missingness.p_reported >= MODEL.propensity.min_ranked_propensity)
            | (p_derived >= min_derived)
        )
    rows = np.flatnonzero(is_ranked)
    ranked = session.attribute_model(neighbourhood).predict_proba(neighbourhood, query.subset(rows), progress)
    is_no = ranked.values == neighbourhood.column.categories.index("no")
    p_unreported = np.ones(len(query))
    p_unreported[rows[ranked.query_index[is_no]]] = ranked.probability[is_no]
    return ParentPrior(p_unreported, np.maximum(p_derived, 1 - p_unreported), missingness)


def _predictions(
    neighbourhood: Neighbourhood,
    query: CompletionQuery,
    table: CandidateTable,
    ranked: RankedCandidates,
    prior: ParentPrior | None,
    threshold: float,
) -> Iterator[Prediction]:
    """Yield the candidates whose confidence, times the prior of a parent, reaches the threshold."""
    attribute, names = neighbourhood.task.attribute, neighbourhood.column.categories
    order, rank = ranked.order_and_rank()
    kept = order[rank < max_values(attribute)]
    p_unconditional = ranked.probability if prior is None else ranked.probability * prior.p_derived[ranked.query_index]
    chosen = kept[p_unconditional[kept] >= threshold]
    for at, reasons in zip(chosen, supporting_groups(neighbourhood, table.features[chosen]), strict=True):
        yield Prediction(
            int(query.rows[ranked.query_index[at]]), attribute, names[ranked.values[at]], float(ranked.probability[at]),
            None if prior is None else float(prior.p_unreported[ranked.query_index[at]]),
            None if prior is None else float(prior.p_derived[ranked.query_index[at]]),
            reasons,
        )  # fmt: skip


def max_values(attribute: str) -> int:
    """Return the number of values of an attribute that are predicted for a model at most."""
    return {"datasets": MODEL.output.max_datasets, "base_model": MODEL.output.max_parents}.get(attribute, 1)


def supporting_groups(neighbourhood: Neighbourhood, features: Floats) -> Iterator[dict[str, tuple[int, int]]]:
    """Yield, of each candidate, the groups in which its value is declared most, with its count and the group's size.

    Args:
        neighbourhood: The groups.
        features: Features of the candidates, shape (c, features).
    """
    group_names = np.array(neighbourhood.group_names)
    # Without the first, which holds all models; by name, so that the stable sort puts equal shares in that order.
    named = 1 + np.argsort(group_names[1:])
    counts = neighbourhood.derived(CandidateTableBuilder).group_counts(features)
    first = named[np.argsort(-counts.share[:, named], axis=1, kind="stable")[:, : MODEL.output.max_reasons]]
    positives, total = np.take_along_axis(counts.positives, first, 1), np.take_along_axis(counts.total, first, 1)
    for names, of_value, of_all in zip(group_names[first].tolist(), positives.tolist(), total.tolist(), strict=True):
        yield {name: (few, many) for name, few, many in zip(names, of_value, of_all, strict=True) if few > 0}
