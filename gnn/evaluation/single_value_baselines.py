"""Baselines of attributes with one value: classifiers of a few lines each over the same visible declarations.

Every baseline returns a value, -1 for none, and a confidence for each model of a query, both of shape (q,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import SGDClassifier

from atlas_db.core.arrays import Doubles, Floats, Integers
from atlas_db.core.cpu import available_cores
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import uses_lineage
from gnn.models.bag_of_words import fit_one_vs_rest, token_matrix
from gnn.parameters.evaluation_parameters import EVALUATION
from gnn.parameters.model_parameters import MODEL

Answer = tuple[Integers, Doubles]
"""Predicted value and confidence of each model, both of shape (q,)."""
BACK_OFF_GROUPS = (
    "author and parent", "author and name pattern", "author and tags", "siblings", "parent's label", "same name",
    "author and first token", "family", "author", "tags", "first two tokens", "first token",
)  # fmt: skip
_BASELINE = EVALUATION.baseline
CHUNK_SIZE = 1000
"""Models whose nearest neighbours are searched at once."""


def majority(neighbourhood: Neighbourhood, query: CompletionQuery) -> Answer:
    """Return the most frequent value, with its share."""
    counts = np.bincount(neighbourhood.events.values, minlength=neighbourhood.events.num_values)
    best = int(counts.argmax())
    return np.full(len(query), best), np.full(len(query), counts[best] / max(counts.sum(), 1))


def group_majority(neighbourhood: Neighbourhood, query: CompletionQuery, group: str) -> Answer:
    """Return the most frequent value of a group, with its smoothed share; of all models where the group is empty."""
    values, confidence = majority(neighbourhood, query)
    if group not in neighbourhood.groupings:
        return values, confidence
    group_of = neighbourhood.group_of(group, query)
    history = neighbourhood.counts_by(group)
    query_index, proposed = history.most_frequent(group_of, query.cutoffs)
    first = np.flatnonzero(np.diff(query_index, prepend=-1) != 0)
    query_index, proposed = query_index[first], proposed[first]
    dates = neighbourhood.graph.event_time[query.rows]
    counts = history.count_features(group_of, query.cutoffs, dates, query_index, proposed)
    values, confidence = values.copy(), confidence.copy()
    values[query_index], confidence[query_index] = proposed, counts[:, 0]
    return values, confidence


def back_off_chain(neighbourhood: Neighbourhood, query: CompletionQuery) -> Answer:
    """Return the majority of highest confidence over groups from the closest to the widest; the closer one on a tie."""
    values, confidence = majority(neighbourhood, query)
    for group in BACK_OFF_GROUPS:
        group_values, group_confidence = group_majority(neighbourhood, query, group)
        is_higher = group_confidence > confidence
        values = np.where(is_higher, group_values, values)
        confidence = np.where(is_higher, group_confidence, confidence)
    return values, confidence


@cache
def _incidence(neighbourhood: Neighbourhood) -> csr_array:
    """Return the incidence of models in groups that share an author, a parent or a name, shape (models, groups)."""
    n = len(neighbourhood.graph)
    parts, width = [], 0
    for name in ("author", "siblings", "same name"):
        if name in neighbourhood.groupings:
            members = neighbourhood.groupings[name].member_key
            rows = np.flatnonzero(members >= 0)
            parts.append((rows, members[rows] + width))
            width += int(members.max(initial=-1)) + 1
    parents = neighbourhood.graph.parents
    if uses_lineage(neighbourhood.task.attribute):
        # A parent is a member of its children's group. Alone in a group, a model would mostly be its own neighbour.
        parent_rows = np.unique(parents.values)
        parts += [(parents.rows, parents.values + width), (parent_rows, parent_rows + width)]
    rows, columns = (np.concatenate(side) for side in zip(*parts, strict=True))
    return csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(n, width + n))


def _propagate(neighbourhood: Neighbourhood, start: Floats) -> Floats:
    """Return scores spread over groups: F <- alpha S F + (1 - alpha) Y (Zhou et al. 2004), shape (models, values)."""
    incidence = _incidence(neighbourhood)
    to_groups = incidence / np.maximum(incidence.sum(1), 1)[:, None]
    to_models = (incidence / np.maximum(incidence.sum(0), 1)[None]).T.tocsr()
    scores = start
    weight = _BASELINE.propagation_weight
    for _ in range(_BASELINE.propagation_steps):
        scores = weight * (to_groups @ (to_models @ scores)) + (1 - weight) * start
    return np.asarray(scores, np.float32)


def _one_hot_labels(neighbourhood: Neighbourhood) -> Floats:
    """Return 1 for each visible declaration, else 0, shape (models, values)."""
    start = np.zeros((len(neighbourhood.graph), neighbourhood.events.num_values), np.float32)
    start[neighbourhood.events.rows, neighbourhood.events.values] = 1
    return start


def _top_value(scores: Floats) -> Answer:
    """Return the value of the highest score of each row, with its share of the row's sum."""
    total = scores.sum(1)
    return scores.argmax(1), np.where(total > 0, scores.max(1) / np.maximum(total, 1e-9), 0).astype(np.float64)


def label_propagation(neighbourhood: Neighbourhood, query: CompletionQuery) -> Answer:
    """Return label propagation over lineage, authors and names (Zhou et al. 2004)."""
    values, confidence = _top_value(_propagate(neighbourhood, _one_hot_labels(neighbourhood))[query.rows])
    majority_value, majority_share = majority(neighbourhood, query)
    return np.where(confidence > 0, values, majority_value), np.where(confidence > 0, confidence, majority_share)


def _newest_declarations(neighbourhood: Neighbourhood) -> tuple[Integers, Integers]:
    """Return models and values of the newest declarations, as many as the bag of words learns from."""
    newest = slice(-MODEL.bag_of_words.max_declarations, None)
    return neighbourhood.events.rows[newest], neighbourhood.events.values[newest]


@cache
def _fitted_classifier(neighbourhood: Neighbourhood, with_metadata: bool) -> SGDClassifier:
    return fit_one_vs_rest(neighbourhood, *_newest_declarations(neighbourhood), with_metadata, available_cores())


def _classifier_probabilities(
    neighbourhood: Neighbourhood, query: CompletionQuery, with_metadata: bool
) -> tuple[Floats, Integers]:
    """Return probabilities, shape (q, classes), and the value of each class, shape (classes,)."""
    classifier = _fitted_classifier(neighbourhood, with_metadata)
    scores = np.asarray(classifier.predict_proba(token_matrix(neighbourhood, query)), np.float32)
    return scores, np.asarray(classifier.classes_)


def logistic_regression(neighbourhood: Neighbourhood, query: CompletionQuery) -> Answer:
    """Return logistic regression on the tokens of names, owners, lineage and tags."""
    scores, classes = _classifier_probabilities(neighbourhood, query, bool(query.metadata_visible.all()))
    values, confidence = _top_value(scores)
    return classes[values], confidence


def correct_and_smooth(neighbourhood: Neighbourhood, query: CompletionQuery) -> Answer:
    """Return the smoothing step of Correct and Smooth on the logistic regression (Huang et al. 2021).

    The first step is left out: the errors of a linear model on its own training rows are too small to spread.
    """
    scores, classes = _classifier_probabilities(neighbourhood, query, bool(query.metadata_visible.all()))
    start = _one_hot_labels(neighbourhood)
    start[query.rows[:, None], classes[None]] = scores
    return _top_value(_propagate(neighbourhood, start)[query.rows])


@cache
def fast_rp(neighbourhood: Neighbourhood) -> Floats:
    """Return FastRP embeddings (Chen et al. 2019), shape (models, dimensions).

    They are the sum of sparse random projections after one, two and three steps between models and their groups. Group
    vectors are scaled to unit length, because large groups would vanish next to small ones. Groups of one model are
    left out.
    """
    rng = np.random.default_rng(1)
    incidence = _incidence(neighbourhood)
    incidence = incidence[:, np.flatnonzero(incidence.sum(0) > 1)]
    to_groups = incidence / np.maximum(incidence.sum(1), 1)[:, None]
    to_models = incidence.T.tocsr()
    signs = np.array([-1, 0, 0, 0, 0, 1], np.float32)
    projection = signs[rng.integers(0, len(signs), (len(neighbourhood.graph), _BASELINE.dimensions))]
    total = np.zeros_like(projection)
    for _ in range(3):
        projection = _unit_rows(to_groups @ _unit_rows(to_models @ projection))
        total += projection
    return _unit_rows(total)


def _unit_rows(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def fast_rp_regression(neighbourhood: Neighbourhood, query: CompletionQuery) -> Answer:
    """Return logistic regression on FastRP embeddings, as a graph database's library offers it."""
    embedding = fast_rp(neighbourhood)
    rows, values = _newest_declarations(neighbourhood)
    cores = available_cores()
    classifier = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=1, n_jobs=cores)
    classifier.fit(embedding[rows], values)
    best, confidence = _top_value(np.asarray(classifier.predict_proba(embedding[query.rows]), np.float32))
    return np.asarray(classifier.classes_)[best], confidence


def fast_rp_nearest(neighbourhood: Neighbourhood, query: CompletionQuery, k: int = 10) -> Answer:
    """Return the majority of the k nearest labelled FastRP embeddings."""
    embedding = fast_rp(neighbourhood)
    rows, values = _newest_declarations(neighbourhood)
    labelled = embedding[rows].T.copy()
    best, confidence = np.empty(len(query), np.int64), np.empty(len(query))
    for start in range(0, len(query), CHUNK_SIZE):
        nearest = np.argpartition(-(embedding[query.rows[start : start + CHUNK_SIZE]] @ labelled), k, 1)[:, :k]
        for position, votes in enumerate(values[nearest], start):
            counts = np.bincount(votes)
            best[position], confidence[position] = counts.argmax(), counts.max() / k
    return best, confidence


BASELINES: dict[str, Callable[[Neighbourhood, CompletionQuery], Answer]] = {
    "majority": majority,
    "author majority": lambda neighbourhood, query: group_majority(neighbourhood, query, "author"),
    "parent copy": lambda neighbourhood, query: group_majority(neighbourhood, query, "parent's label"),
    "sibling majority": lambda neighbourhood, query: group_majority(neighbourhood, query, "siblings"),
    "back-off chain": back_off_chain,
    "label propagation": label_propagation,
    "FastRP + logistic regression": fast_rp_regression,
    "FastRP + nearest 10": fast_rp_nearest,
    "logistic regression": logistic_regression,
    "Correct and Smooth": correct_and_smooth,
}
