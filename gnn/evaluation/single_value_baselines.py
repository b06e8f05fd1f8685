"""What completion is compared with: each a few lines over the same visible declarations.

Every method returns, for each model of a query, a value (-1 for none) and a confidence, both of shape (q,).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from atlas_db.columnar.graph import threads
from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.dataset.tasks import lineage_shown
from gnn.features.neighbours import Around, Query
from gnn.models.bag_of_words import SEEN, logistic, words

Answer = tuple[Integers, Doubles]
CHAIN = (
    "author and parent", "author and name pattern", "author and tags", "siblings", "parent says", "same name",
    "author and first word", "family", "author", "tags", "first words", "first word",
)  # fmt: skip
PULL = 0.9
"""Weight of neighbours against the own value in propagation (Zhou et al. 2004, alpha)."""
STEPS = 10
DIMENSIONS = 128


def majority(around: Around, query: Query) -> Answer:
    """The most frequent value."""
    counts = np.bincount(around.labels.values, minlength=around.labels.size)
    best = int(counts.argmax())
    return np.full(len(query), best), np.full(len(query), counts[best] / max(counts.sum(), 1))


def vote(around: Around, query: Query, group: str) -> Answer:
    """The most frequent value of a group; where it is empty, of all."""
    values, sure = majority(around, query)
    if group not in around.groups:
        return values, sure
    asked = around.asked(group, query)
    history = around.history(group)
    places, proposed = history.proposals(asked, query.moments)
    first = np.flatnonzero(np.diff(places, prepend=-1) != 0)
    places, proposed = places[first], proposed[first]
    counted = history.counts(asked[places], proposed, query.moments[places], around.graph.since[query.rows[places]])
    values, sure = values.copy(), sure.copy()
    values[places], sure[places] = proposed, counted[:, 0]
    return values, sure


def chain(around: Around, query: Query) -> Answer:
    """Back off from the closest group to wider ones: the first whose vote is sure, else the surest."""
    values, sure = majority(around, query)
    for group in CHAIN:
        theirs, confidence = vote(around, query, group)
        better = confidence > sure
        values, sure = np.where(better, theirs, values), np.where(better, confidence, sure)
    return values, sure


@cache
def _spread(around: Around) -> csr_array:
    """Row-stochastic walk between models that share an author, a parent or a name."""
    n = len(around.graph)
    parts, width = [], 0
    for name in ("author", "siblings", "same name"):
        if name in around.groups:
            members = around.groups[name].members
            rows = np.flatnonzero(members >= 0)
            parts.append((rows, members[rows] + width))
            width += int(members.max(initial=-1)) + 1
    parents = around.graph.parents
    if lineage_shown(around.task.attribute):
        # A parent stands among its children; alone, everybody would mostly be near to itself.
        above = np.unique(parents.values)
        parts += [(parents.rows, parents.values + width), (above, above + width)]
    rows, columns = (np.concatenate(side) for side in zip(*parts, strict=True))
    return csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(n, width + n))


def _walk(around: Around, start: Floats) -> Floats:
    incidence = _spread(around)
    out = incidence / np.maximum(incidence.sum(1), 1)[:, None]
    back = (incidence / np.maximum(incidence.sum(0), 1)[None]).T.tocsr()
    found = start
    for _ in range(STEPS):
        found = PULL * (out @ (back @ found)) + (1 - PULL) * start
    return np.asarray(found, np.float32)


def _labelled(around: Around) -> Floats:
    start = np.zeros((len(around.graph), around.labels.size), np.float32)
    start[around.labels.rows, around.labels.values] = 1
    return start


def _best(scores: Floats) -> Answer:
    total = scores.sum(1)
    return scores.argmax(1), np.where(total > 0, scores.max(1) / np.maximum(total, 1e-9), 0).astype(np.float64)


def propagation(around: Around, query: Query) -> Answer:
    """Label propagation over lineage, authors and names (Zhou et al. 2004)."""
    values, sure = _best(_walk(around, _labelled(around))[query.rows])
    usual, rare = majority(around, query)
    return np.where(sure > 0, values, usual), np.where(sure > 0, sure, rare)


@cache
def _fitted(around: Around, told: bool) -> Any:  # noqa: ANN401
    return logistic(around, around.labels.rows[-SEEN:], around.labels.values[-SEEN:], told, threads())


def _linear(around: Around, query: Query, told: bool) -> tuple[Floats, Integers]:
    model = _fitted(around, told)
    return np.asarray(model.predict_proba(words(around, query)), np.float32), np.asarray(model.classes_)


def linear(around: Around, query: Query) -> Answer:
    """Logistic regression on words of names, owners, lineage and tags."""
    scores, classes = _linear(around, query, bool(query.told.all()))
    values, sure = _best(scores)
    return classes[values], sure


def smoothed(around: Around, query: Query) -> Answer:
    """Correct and Smooth on the logistic regression (Huang et al. 2021): its second half, as errors have no spread."""
    scores, classes = _linear(around, query, bool(query.told.all()))
    start = _labelled(around)
    start[query.rows[:, None], classes[None]] = scores
    return _best(_walk(around, start)[query.rows])


@cache
def _fast(around: Around) -> Floats:
    """FastRP (Chen et al. 2019): sparse random projections of one to three steps of the walk, shape (n, 128).

    What two models share is brought to length one, as large groups would vanish beside small ones; groups of one model
    share nothing.
    """
    rng = np.random.default_rng(1)
    incidence = _spread(around)
    incidence = incidence[:, np.flatnonzero(incidence.sum(0) > 1)]
    out = incidence / np.maximum(incidence.sum(1), 1)[:, None]
    back = incidence.T.tocsr()
    signs = np.array([-1, 0, 0, 0, 0, 1], np.float32)
    step = signs[rng.integers(0, len(signs), (len(around.graph), DIMENSIONS))]
    total = np.zeros_like(step)
    for _ in range(3):
        step = _unit(out @ _unit(back @ step))
        total += step
    return _unit(total)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def fast_linear(around: Around, query: Query) -> Answer:
    """FastRP embedding and logistic regression: what a graph database's library gives out of the box."""
    from sklearn.linear_model import SGDClassifier

    embedding = _fast(around)
    rows, values = around.labels.rows[-SEEN:], around.labels.values[-SEEN:]
    model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=1, n_jobs=threads())
    model.fit(embedding[rows], values)
    best, sure = _best(np.asarray(model.predict_proba(embedding[query.rows]), np.float32))
    return np.asarray(model.classes_)[best], sure


def fast_nearest(around: Around, query: Query, k: int = 10) -> Answer:
    """FastRP embedding and the votes of the ten nearest."""
    embedding = _fast(around)
    rows, values = around.labels.rows[-SEEN:], around.labels.values[-SEEN:]
    theirs = embedding[rows].T.copy()
    best, sure = np.empty(len(query), np.int64), np.empty(len(query))
    for start in range(0, len(query), 1000):
        near = np.argpartition(-(embedding[query.rows[start : start + 1000]] @ theirs), k, 1)[:, :k]
        for place, votes in enumerate(values[near], start):
            counts = np.bincount(votes)
            best[place], sure[place] = counts.argmax(), counts.max() / k
    return best, sure


BASELINES: dict[str, Callable[[Around, Query], Answer]] = {
    "majority": majority,
    "author majority": lambda around, query: vote(around, query, "author"),
    "parent copy": lambda around, query: vote(around, query, "parent says"),
    "sibling majority": lambda around, query: vote(around, query, "siblings"),
    "back-off chain": chain,
    "label propagation": propagation,
    "FastRP + logistic regression": fast_linear,
    "FastRP + nearest 10": fast_nearest,
    "logistic regression": linear,
    "Correct and Smooth": smoothed,
}
