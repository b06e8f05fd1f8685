"""Training of the model of one attribute: each part on the past, confidence on the months that follow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers, unique_sorted
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Progress
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.features.candidate_table import CandidateTable
from gnn.features.neighbours import sample_neighbours
from gnn.models.attribute_model import AttributeModel, build_candidate_table
from gnn.models.bag_of_words import BagOfWordsClassifier
from gnn.models.calibration import (
    Calibration,
    calibration_error,
    conformal_quantile,
    fit_inverse_temperature,
    fit_isotonic,
    normalised_by_group,
    threshold_at_precision,
)
from gnn.models.correct_and_smooth import LabelSmoothing
from gnn.models.memory import release_memory
from gnn.models.ranker import Ranker
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.model_parameters import MODEL

if TYPE_CHECKING:
    from gnn.models.graph_network import GraphNetwork

_TRAINING = MODEL.training
STAGES = 6
"""Stages of the training without a network."""
CHUNK_SIZE = 2000
"""Models whose candidate tables are built at once."""


def fit_attribute_model(
    neighbourhood: Neighbourhood, *, precision: float = 0.95, seed: int = 1, network: bool = False,
    progress: Progress = lambda *_: None,
) -> AttributeModel:  # fmt: skip
    """Return a model of an attribute, fitted to all visible declarations.

    Bag of words and network are fitted to the part before `_time_blocks`, the ranker to candidates of the part after
    it. What is behind its features has not seen that part. Calibration uses the newest part and a ranker of the
    candidates before it. At the end the ranker is fitted to both parts, the bag of words and the network to the newest.

    Args:
        neighbourhood: Visible declarations, tokens and groups of every model.
        precision: Precision that the threshold shall reach.
        seed: Seed of samples and weights.
        network: Whether a graph network is trained, too, and trees that use it.
        progress: Called with stage, done and total.

    Raises:
        CompletionError: There is too little to learn from, or only one value.
    """
    rng = np.random.default_rng(seed)
    attribute = neighbourhood.task.attribute
    stages = iter(range(STAGES + network))

    def step(stage: str) -> None:
        progress(f"Learn {attribute}: {stage}", next(stages), STAGES + network)

    class_names, class_of_value = _select_classes(neighbourhood)
    ranker_start, calibration_start = _time_blocks(neighbourhood)
    times = neighbourhood.events.times
    net = _new_network(len(class_names), seed) if network else None
    if net is not None:
        step("network")
        train_network = partial(_train_network, net, neighbourhood, class_of_value, rng=rng)
        train_network(times < ranker_start, epochs=_TRAINING.epochs, learning_rate=_TRAINING.learning_rate, seed=seed)
    step("bag of words")
    bag_of_words = BagOfWordsClassifier.fit(neighbourhood, times < ranker_start, available_cores())
    step("candidates")
    tabulate = partial(build_candidate_table, LabelSmoothing(neighbourhood, bag_of_words), net, class_of_value)
    early, late = _sample_blocks(neighbourhood, tabulate, ranker_start, calibration_start, rng)
    release_memory()
    step("trees")
    stacked_early = network and not neighbourhood.task.multi_valued
    early_ranker = _fit_ranker(neighbourhood, [early], has_network=network, with_stacked=stacked_early)
    step("calibration")
    late_scores = early_ranker.score(late.table.features, late.table.query_index)
    calibration = _fit_calibration(neighbourhood, late, late_scores, precision)
    step("trees on all")
    late = late.with_sampled_negatives(_negative_rate(neighbourhood), rng)
    ranker = _fit_ranker(neighbourhood, [early, late], has_network=network, with_stacked=network)
    step("bag of words on the newest")
    if net is not None:
        train_network(
            times >= ranker_start, epochs=_TRAINING.late_epochs, learning_rate=_TRAINING.late_learning_rate,
            seed=seed + 1,
        )  # fmt: skip
    bag_of_words = BagOfWordsClassifier.fit(neighbourhood, np.ones(len(times), bool), available_cores())
    return AttributeModel(attribute, class_names, net, bag_of_words, ranker, calibration)


class LabelledCandidates(NamedTuple):
    """Candidates of models, and which of them are declared.

    Attributes:
        query: The models, shape (q,).
        table: Their candidates.
        is_true: Whether each candidate is declared, shape (c,).
    """

    query: CompletionQuery
    table: CandidateTable
    is_true: Flags

    def with_sampled_negatives(self, negative_rate: float, rng: np.random.Generator) -> LabelledCandidates:
        """Return all true candidates, and a random share of the wrong ones."""
        if negative_rate >= 1:
            return self
        kept = self.is_true | (rng.random(len(self.is_true)) < negative_rate)
        return LabelledCandidates(self.query, self.table.filter(kept), self.is_true[kept])


def _negative_rate(neighbourhood: Neighbourhood) -> float:
    multi_valued = neighbourhood.task.multi_valued
    return _TRAINING.negative_rate_multiple if multi_valued else _TRAINING.negative_rate_single


def _fit_ranker(
    neighbourhood: Neighbourhood, parts: list[LabelledCandidates], *, has_network: bool, with_stacked: bool
) -> Ranker:
    return Ranker.fit(
        [part.table.features for part in parts],
        np.concatenate([part.is_true for part in parts]),
        joined_query_index(parts),
        available_cores(),
        listwise=neighbourhood.task.multi_valued,
        has_network=has_network,
        with_stacked=with_stacked,
    )


def _sample_blocks(
    neighbourhood: Neighbourhood, tabulate: Callable[[CompletionQuery], CandidateTable], ranker_start: float,
    calibration_start: float, rng: np.random.Generator,
) -> tuple[LabelledCandidates, LabelledCandidates]:  # fmt: skip
    """Return examples of the ranker's part, some wrong candidates left out, and all of the calibration part.

    Raises:
        CompletionError: The models of one part declare nothing.
    """
    events = neighbourhood.events
    rows = rng.permutation(unique_sorted(events.rows[events.times >= ranker_start]))
    is_early = neighbourhood.graph.event_time[rows] < calibration_start
    if is_early.all() or not is_early.any():
        # All are of one day: halves of the models stand for earlier and later.
        is_early = rows % 2 == 0
    if is_early.all() or not is_early.any():
        raise CompletionError(
            f"{neighbourhood.task.attribute} cannot be learned: {len(rows)} models declare it in the newest part of "
            "the list, which is too few to measure confidence on",
            hint="Load more models, or leave it out with --attributes",
        )
    share, budget = is_early.mean(), _TRAINING.max_candidates
    rate = _negative_rate(neighbourhood)
    early = _sample_examples(neighbourhood, tabulate, rows[is_early], rng, budget * share, rate)
    return early, _sample_examples(neighbourhood, tabulate, rows[~is_early], rng, budget * (1 - share))


def _sample_examples(
    neighbourhood: Neighbourhood, tabulate: Callable[[CompletionQuery], CandidateTable], rows: Integers,
    rng: np.random.Generator, candidate_budget: float, negative_rate: float = 1.0,
) -> LabelledCandidates:  # fmt: skip
    """Return examples of models, in order, until their candidates reach a budget."""
    parts: list[LabelledCandidates] = []
    rows = rows[: int(_TRAINING.max_models * candidate_budget / _TRAINING.max_candidates)]
    for start in range(0, len(rows), CHUNK_SIZE):
        query = masked_views(neighbourhood, rows[start : start + CHUNK_SIZE], rng)
        table = tabulate(query)
        is_true = is_declared(neighbourhood, query.rows[table.query_index], table.values)
        examples = LabelledCandidates(query, table, is_true)
        parts.append(examples.with_sampled_negatives(negative_rate, rng))
        candidate_budget -= len(parts[-1].is_true)
        if candidate_budget <= 0:
            break
    return concat_examples(parts)


def concat_examples(parts: list[LabelledCandidates]) -> LabelledCandidates:
    """Return the examples of several chunks as one; query indices are shifted. The list is emptied meanwhile."""
    query = CompletionQuery.concat([part.query for part in parts])
    query_index = joined_query_index(parts)
    values = np.concatenate([part.table.values for part in parts])
    is_true = np.concatenate([part.is_true for part in parts])
    # Each chunk goes once it is copied: the features take their place in memory once, not twice.
    features = np.empty((len(values), parts[0].table.features.shape[1]), np.float32)
    start = 0
    while parts:
        chunk = parts.pop(0).table.features
        features[start : start + len(chunk)] = chunk
        start += len(chunk)
    return LabelledCandidates(query, CandidateTable(query_index, values, features), is_true)


def joined_query_index(parts: Sequence[LabelledCandidates]) -> Integers:
    """Return the models of the candidates of several parts, counted on from part to part, shape (candidates,)."""
    starts = np.cumsum([0, *(len(part.query) for part in parts)])
    return np.concatenate([part.table.query_index + start for part, start in zip(parts, starts, strict=False)])


def masked_views(neighbourhood: Neighbourhood, rows: Integers, rng: np.random.Generator) -> CompletionQuery:
    """Return each model twice, as it looks when it is new: with its metadata, and without.

    Args:
        neighbourhood: Visible declarations.
        rows: Models, shape (n,).
        rng: Generator of the observation lags.

    Returns:
        A query of shape (2n,); each cutoff precedes the model's own date by up to `_observation_lag`.
    """
    rows = np.sort(rows)
    rows, with_metadata = np.concatenate((rows, rows)), np.repeat([True, False], len(rows))
    lags = rng.uniform(0, _observation_lag(neighbourhood), len(rows))
    return CompletionQuery(rows, neighbourhood.graph.event_time[rows] - lags, with_metadata)


def _observation_lag(neighbourhood: Neighbourhood) -> float:
    """Return the longest time in days between an example's cutoff and its date; less where the history is short."""
    times = neighbourhood.events.times
    span = float(times[-1] - times[len(times) // 10])
    return min(_TRAINING.max_lag, span / _TRAINING.lag_span_divisor)


def is_declared(neighbourhood: Neighbourhood, rows: Integers, values: Integers) -> Flags:
    """Return whether each model declares each value, pair by pair, shape (n,)."""
    size = len(neighbourhood.column.categories)
    declared = neighbourhood.column.codes
    return np.isin(rows * size + values, declared.rows * size + declared.values)


def _select_classes(neighbourhood: Neighbourhood) -> tuple[list[str], Integers]:
    """Return the most frequent values, which the network has outputs for, and the class of each value of the graph.

    Raises:
        CompletionError: There are too few declarations, or fewer than two such values.
    """
    events = neighbourhood.events
    counts = np.bincount(events.values, minlength=events.num_values)
    chosen = np.argsort(-counts, kind="stable")[: _TRAINING.max_classes]
    chosen = np.sort(chosen[counts[chosen] >= _TRAINING.min_class_declarations])
    if len(events.rows) < _TRAINING.min_declarations or len(chosen) < 2:
        raise CompletionError(
            f"{neighbourhood.task.attribute} cannot be learned: {len(events.rows)} declarations, "
            f"{len(chosen)} values that {_TRAINING.min_class_declarations} models share",
            hint="Load more models, or leave it out with --attributes",
        )
    class_of_value = np.full(events.num_values, -1, np.int64)
    class_of_value[chosen] = np.arange(len(chosen))
    return [neighbourhood.column.categories[value] for value in chosen], class_of_value


def _time_blocks(neighbourhood: Neighbourhood) -> tuple[float, float]:
    """Return the dates at which the ranker's part and the calibration part start.

    They are the last months where enough was declared in them. In small or old lists they are the newest two fifths and
    the newest tenth. In lists that span weeks they are at most seven tenths and a quarter.
    """
    times = neighbourhood.events.times

    def bounded(days: float, quantiles: tuple[float, float]) -> float:
        low, high = (times[int(quantile * len(times))] for quantile in quantiles)
        return float(max(min(times[-1] - days, high), low))

    ranker_start = bounded(_TRAINING.ranker_days, _TRAINING.early_quantiles)
    calibration_start = bounded(_TRAINING.calibration_days, _TRAINING.late_quantiles)
    return ranker_start, max(calibration_start, ranker_start + 1e-6)


def _new_network(values: int, seed: int) -> GraphNetwork:
    """Return an untrained network with an output for each of some values."""
    import torch

    from gnn.models.graph_network import GraphNetwork, accelerator

    torch.set_num_threads(available_cores())
    torch.manual_seed(seed)
    return GraphNetwork(values, len(CANDIDATE.neighbours_per_group)).to(accelerator())


def _train_network(
    network: GraphNetwork, neighbourhood: Neighbourhood, class_of_value: Integers, is_visible: Flags, *, epochs: int,
    learning_rate: float, rng: np.random.Generator, seed: int,
) -> None:  # fmt: skip
    """Train the network in place, one example a declaration, part of them without metadata.

    Args:
        network: The network.
        neighbourhood: Visible declarations, tokens and groups of every model.
        class_of_value: Class of each value, -1 for values without an output, shape (values,).
        is_visible: Declarations to learn from, shape (declarations,).
        epochs: Passes over them.
        learning_rate: Highest learning rate.
        rng: Generator of lags and views.
        seed: Seed of the order and of the dropout.
    """
    from gnn.models.graph_network import Collator, fit_network

    declared_classes = class_of_value[neighbourhood.events.values]
    pool = np.flatnonzero(is_visible & (declared_classes >= 0))[-_TRAINING.max_network_declarations :]
    rows = neighbourhood.events.rows[pool]
    cutoffs = neighbourhood.graph.event_time[rows] - rng.uniform(0, _observation_lag(neighbourhood), len(rows))
    # Drawn before the examples are built: each part of the training has its place in the generator's stream.
    query = CompletionQuery(rows, cutoffs, rng.random(len(rows)) < _TRAINING.metadata_dropout)
    if not len(pool):
        return
    fit_network(
        network, Collator(neighbourhood.token_table, neighbourhood.metadata_tokens),
        sample_neighbours(neighbourhood, query, class_of_value), declared_classes[pool], epochs=epochs,
        learning_rate=learning_rate, seed=seed,
    )  # fmt: skip


def _fit_calibration(
    neighbourhood: Neighbourhood, examples: LabelledCandidates, scores: Doubles, precision: float
) -> Calibration:
    """Return the calibration of the newest examples.

    Args:
        neighbourhood: Visible declarations.
        examples: Models, and all their candidates.
        scores: Score of each candidate by a ranker that has not seen them, shape (c,).
        precision: Precision that the threshold shall reach.
    """
    query, query_index = examples.query, examples.table.query_index
    inverse_temperature = 1.0
    if neighbourhood.task.multi_valued:
        # Listwise scores have no scale of their own.
        inverse_temperature = fit_inverse_temperature(scores, query_index, len(query), examples.is_true)
    normalised_scores = normalised_by_group(scores, query_index, len(query), inverse_temperature)
    correct = examples.is_true.astype(np.float64)
    has_metadata = neighbourhood.has_metadata(query)[query_index]
    order = np.lexsort((-normalised_scores, query_index))
    first = order[np.diff(query_index[order], prepend=-1) != 0]
    in_fitted_half = neighbourhood.graph.author[query.rows[query_index]] % 2 == 0
    curves = [fit_isotonic(normalised_scores[part], correct[part]) for part in (has_metadata, ~has_metadata)]
    probability = np.where(has_metadata, curves[0](normalised_scores), curves[1](normalised_scores))
    true_probability = np.zeros(len(query))
    np.maximum.at(true_probability, query_index, probability * correct)
    return Calibration(
        with_metadata=curves[0],
        cold_start=curves[1],
        threshold=threshold_at_precision(probability[first], correct[first], precision),
        precision=precision,
        conformal_quantile=conformal_quantile(true_probability[np.unique(query_index)]),
        calibration_error=_held_out_error(normalised_scores, correct, in_fitted_half, first),
        models=len(first),
        inverse_temperature=inverse_temperature,
    )


def _held_out_error(scores: Doubles, correct: Doubles, in_fitted_half: Flags, first: Integers) -> float:
    """Return the calibration error of a map on the half of the authors that it was not fitted on.

    Args:
        scores: Normalised scores of candidates, shape (c,).
        correct: 1 where a candidate is declared, else 0, shape (c,).
        in_fitted_half: Whether its author is in the half that the map is fitted on, shape (c,).
        first: The candidate of the highest score of each model, shape (q,).

    Returns:
        The error; 0 where either half has fewer than two candidates.
    """
    if in_fitted_half.sum() <= 1 or (~in_fitted_half).sum() <= 1:
        return 0.0
    half_curve = fit_isotonic(scores[in_fitted_half], correct[in_fitted_half])
    held_out = first[~in_fitted_half[first]]
    return calibration_error(half_curve(scores[held_out]), correct[held_out])
