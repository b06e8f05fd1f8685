"""Learn to complete one attribute, on the past, measured on the months that follow it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from atlas_db.core.arrays import Doubles, Flags, Integers, unique_sorted
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Progress
from gnn.features.neighbours import NUM_NEIGHBOURS, CandidateTable, CompletionQuery, Neighbourhood
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
from gnn.models.graph_network import Collator, GraphNetwork, accelerator, fit_network
from gnn.models.ranker import Ranker

LAG = 61.0
"""Days: an example sees what was declared up to some moment in so many days before it, as a new model will be."""


BLOCK = 120.0
"""Days at the end that the trees learn from; the network that they hear has not seen them."""


LATER = 30.0
"""Days at the very end that confidence is calibrated on."""


POOL, RANKED = 250_000, 900_000
"""Newest declarations that the network, and candidates that the trees learn from at most."""


EXAMPLES = 75_000
"""Models whose candidates the trees learn from at most, where each has so few that the other bound is far away."""


FALSE = {False: 1.0, True: 0.3}
"""Share of the wrong candidates that the trees learn from, where models have one value and where they have several."""


CHUNK_SIZE = 2000
"""Models whose candidates are made at once while learning."""


CLASSES, LEAST_USES = 4000, 3
"""Values that the network tells apart at most, and how often one is declared at least."""


FEWEST = 40
"""Declarations below which nothing is learnt."""


def fit_attribute_model(
    neighbourhood: Neighbourhood, *, precision: float = 0.95, seed: int = 1, compare: bool = False,
    progress: Progress = lambda *_: None,
) -> AttributeModel:  # fmt: skip
    """Learn from all declarations that are visible.

    Args:
        neighbourhood: What is visible.
        precision: Precision that the threshold shall reach.
        seed: Of samples and weights.
        compare: Whether trees that hear the network are learnt of lists, too, which are scored without it.
        progress: Told of stage, done and total.

    Raises:
        CompletionError: There is too little to learn from, or only one value.
    """
    torch.set_num_threads(available_cores())
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    attribute = neighbourhood.task.attribute
    stages = iter(range(7))

    def step(what: str) -> None:
        progress(f"Learn {attribute}: {what}", next(stages), 6)

    class_names, class_of_value = _select_classes(neighbourhood)
    ranker_start, calibration_start = _time_blocks(neighbourhood)
    times = neighbourhood.events.times
    step("network")
    network = GraphNetwork(len(class_names), len(NUM_NEIGHBOURS)).to(accelerator())
    _train_network(
        network, neighbourhood, class_of_value, times < ranker_start, epochs=2, learning_rate=3e-3, rng=rng, seed=seed
    )
    step("words")
    label_smoothing = LabelSmoothing(
        neighbourhood, BagOfWordsClassifier.fit(neighbourhood, times < ranker_start, available_cores())
    )
    step("candidates")
    rows = rng.permutation(unique_sorted(neighbourhood.events.rows[times >= ranker_start]))
    is_early = neighbourhood.graph.event_time[rows] < calibration_start
    if is_early.all() or not is_early.any():
        # All of one day: halves of models stand in for earlier and later.
        is_early = rows % 2 == 0
    negative_rate = FALSE[neighbourhood.task.multi_valued]
    tabulate = partial(build_candidate_table, label_smoothing, network, class_of_value)
    early_examples = _sample_examples(
        neighbourhood, tabulate, rows[is_early], rng, RANKED * is_early.mean(), negative_rate
    )
    late_examples = _sample_examples(neighbourhood, tabulate, rows[~is_early], rng, RANKED * (1 - is_early.mean()))
    step("trees")
    pointwise = not neighbourhood.task.multi_valued
    early_ranker = _fit_ranker(neighbourhood, [early_examples], with_stacked=pointwise)
    step("calibration")
    calibration = _fit_calibration(
        neighbourhood,
        late_examples,
        early_ranker.score(late_examples.table.features, late_examples.table.query_index),
        precision,
    )
    step("trees on all")
    ranker = _fit_ranker(
        neighbourhood,
        [early_examples, late_examples.with_sampled_negatives(negative_rate, rng)],
        with_stacked=pointwise or compare,
    )
    step("network and words on the latest")
    _train_network(
        network,
        neighbourhood,
        class_of_value,
        times >= ranker_start,
        epochs=1,
        learning_rate=1e-3,
        rng=rng,
        seed=seed + 1,
    )
    bag_of_words = BagOfWordsClassifier.fit(neighbourhood, np.ones(len(times), bool), available_cores())
    return AttributeModel(attribute, class_names, network, bag_of_words, ranker, calibration)


class LabelledCandidates(NamedTuple):
    """Models with their candidates, and which of these they declare."""

    query: CompletionQuery
    table: CandidateTable
    is_true: Flags

    def with_sampled_negatives(self, negative_rate: float, rng: np.random.Generator) -> LabelledCandidates:
        """Return all true candidates, and a share of the false ones."""
        kept = self.is_true | (rng.random(len(self.is_true)) < negative_rate)
        return LabelledCandidates(self.query, self.table.filter(kept), self.is_true[kept])


def _fit_ranker(neighbourhood: Neighbourhood, parts: list[LabelledCandidates], *, with_stacked: bool) -> Ranker:
    """Learn from candidates of examples."""
    _, table, is_true = concat_examples(parts)
    listwise = neighbourhood.task.multi_valued
    return Ranker.fit(
        table.features, is_true, table.query_index, available_cores(), listwise=listwise, with_stacked=with_stacked
    )


def _sample_examples(
    neighbourhood: Neighbourhood, tabulate: Callable[[CompletionQuery], CandidateTable], rows: Integers,
    rng: np.random.Generator, candidate_budget: float, negative_rate: float = 1.0,
) -> LabelledCandidates:  # fmt: skip
    """Return examples of models, until there are as many candidates as the budget affords."""
    parts: list[LabelledCandidates] = []
    rows = rows[: int(EXAMPLES * candidate_budget / RANKED)]
    for start in range(0, len(rows), CHUNK_SIZE):
        query = masked_views(neighbourhood, rows[start : start + CHUNK_SIZE], rng)
        table = tabulate(query)
        found = LabelledCandidates(
            query, table, is_declared(neighbourhood, query.rows[table.query_index], table.values)
        )
        parts.append(found.with_sampled_negatives(negative_rate, rng) if negative_rate < 1 else found)
        candidate_budget -= len(parts[-1].is_true)
        if candidate_budget <= 0:
            break
    return concat_examples(parts)


def concat_examples(parts: list[LabelledCandidates]) -> LabelledCandidates:
    """Return the examples of several chunks as one; query indices are shifted."""
    first_rows = np.cumsum([0, *(len(part.query) for part in parts)])
    return LabelledCandidates(
        CompletionQuery.concat([part.query for part in parts]),
        CandidateTable(
            np.concatenate([part.table.query_index + shift for part, shift in zip(parts, first_rows, strict=False)]),
            np.concatenate([part.table.values for part in parts]),
            np.concatenate([part.table.features for part in parts]),
        ),
        np.concatenate([part.is_true for part in parts]),
    )


def masked_views(neighbourhood: Neighbourhood, rows: Integers, rng: np.random.Generator) -> CompletionQuery:
    """Return models as they look when they are new: once with all that they state, once bare."""
    rows = np.sort(rows)
    rows, with_metadata = np.concatenate((rows, rows)), np.repeat([True, False], len(rows))
    return CompletionQuery(
        rows,
        neighbourhood.graph.event_time[rows] - rng.uniform(0, _observation_lag(neighbourhood), len(rows)),
        with_metadata,
    )


def _observation_lag(neighbourhood: Neighbourhood) -> float:
    """Return how many days before it an example looks from at most; where less, a tenth of what the store spans."""
    times = neighbourhood.events.times
    return min(LAG, float(times[-1] - times[len(times) // 10]) / 10)


def is_declared(neighbourhood: Neighbourhood, rows: Integers, values: Integers) -> Flags:
    """Return which models declare which values, pair by pair."""
    size = len(neighbourhood.column.categories)
    held = neighbourhood.column.codes
    pairs = held.rows * size + held.values
    return np.isin(rows * size + values, pairs)


def _select_classes(neighbourhood: Neighbourhood) -> tuple[list[str], Integers]:
    """Choose the values that the network tells apart: the most frequent."""
    counts = np.bincount(neighbourhood.events.values, minlength=neighbourhood.events.num_values)
    chosen = np.argsort(-counts, kind="stable")[:CLASSES]
    chosen = np.sort(chosen[counts[chosen] >= LEAST_USES])
    if len(neighbourhood.events.rows) < FEWEST or len(chosen) < 2:
        raise CompletionError(
            f"{neighbourhood.task.attribute} cannot be learnt: {len(neighbourhood.events.rows)} declarations, "
            f"{len(chosen)} values that {LEAST_USES} models share",
            hint="Load more models, or leave it out with --attributes",
        )
    class_of_value = np.full(neighbourhood.events.num_values, -1, np.int64)
    class_of_value[chosen] = np.arange(len(chosen))
    return [neighbourhood.column.categories[value] for value in chosen], class_of_value


def _time_blocks(neighbourhood: Neighbourhood) -> tuple[float, float]:
    """Return from when on the trees learn, and from when on confidence is calibrated.

    The last months where enough was declared in them; of small or old stores the last two fifths, and tenth; of those
    that span weeks at most seven tenths, and a quarter.
    """
    times = neighbourhood.events.times
    ranker_start = max(min(times[-1] - BLOCK, times[int(0.6 * len(times))]), times[int(0.3 * len(times))])
    calibration_start = max(min(times[-1] - LATER, times[int(0.9 * len(times))]), times[int(0.75 * len(times))])
    return float(ranker_start), float(max(calibration_start, ranker_start + 1e-6))


def _train_network(
    network: GraphNetwork, neighbourhood: Neighbourhood, class_of_value: Integers, is_visible: Flags, *, epochs: int,
    learning_rate: float, rng: np.random.Generator, seed: int,
) -> None:  # fmt: skip
    """Train the network on declarations, one example each, with half of what models state hidden."""
    declared_classes = class_of_value[neighbourhood.events.values]
    pool = np.flatnonzero(is_visible & (declared_classes >= 0))[-POOL:]
    rows = neighbourhood.events.rows[pool]
    moments = neighbourhood.graph.event_time[rows] - rng.uniform(0, _observation_lag(neighbourhood), len(rows))
    examples = neighbourhood.sample_neighbours(
        CompletionQuery(rows, moments, rng.random(len(rows)) < 0.5), class_of_value
    )
    if len(pool):
        fit_network(
            network,
            Collator(neighbourhood.token_table, neighbourhood.metadata_tokens),
            examples,
            declared_classes[pool],
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
        )


def _fit_calibration(
    neighbourhood: Neighbourhood, examples: LabelledCandidates, scores: Doubles, precision: float
) -> Calibration:
    """Fit confidence on the latest examples; its error is measured on the half of authors that is left out."""
    query, places = examples.query, examples.table.query_index
    # Scores of candidates among each other have no scale of their own.
    inverse_temperature = (
        fit_inverse_temperature(scores, places, len(query), examples.is_true)
        if neighbourhood.task.multi_valued
        else 1.0
    )
    normalised_scores = normalised_by_group(scores, places, len(query), inverse_temperature)
    correct = examples.is_true.astype(np.float64)
    has_metadata = neighbourhood.has_metadata(query)[places]
    in_fitted_half = neighbourhood.graph.author[query.rows[places]] % 2 == 0
    order = np.lexsort((-normalised_scores, places))
    first = order[np.diff(places[order], prepend=-1) != 0]
    error = 0.0
    if in_fitted_half.sum() > 1 and (~in_fitted_half).sum() > 1:
        half_curve = fit_isotonic(normalised_scores[in_fitted_half], correct[in_fitted_half])
        held_out = first[~in_fitted_half[first]]
        error = calibration_error(half_curve(normalised_scores[held_out]), correct[held_out])
    curves = [fit_isotonic(normalised_scores[part], correct[part]) for part in (has_metadata, ~has_metadata)]
    probability = np.where(has_metadata, curves[0](normalised_scores), curves[1](normalised_scores))
    true_probability = np.zeros(len(query))
    np.maximum.at(true_probability, places, probability * correct)
    return Calibration(
        curves[0], curves[1], threshold_at_precision(probability[first], correct[first], precision), precision,
        conformal_quantile(true_probability[np.unique(places)]), error, len(first), inverse_temperature,
    )  # fmt: skip
