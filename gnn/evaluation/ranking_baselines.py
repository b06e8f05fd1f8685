"""What the completion of lists (parents, datasets, languages) is compared with: each a few lines over declarations.

Every method names candidates, the best first; where it has none, or fewer than ten, the most declared follow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import TfidfVectorizer

from atlas_db.columnar.repository_names import segments, stem
from atlas_db.core.arrays import Doubles, Integers
from gnn.dataset.hashed_tokens import BUCKETS
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.models.attribute_model import RankedCandidates
from gnn.models.bag_of_words import token_matrix
from gnn.parameters.candidate_parameters import CANDIDATE

MAX_CANDIDATES = 10
"""Candidates that a method names for a model."""
MIN_NAME_LENGTH = 4
"""Characters of a name from which on it counts as found inside another."""
CHUNK_SIZE = 500


class BaselineCandidates(NamedTuple):
    """Candidates of one method.

    Attributes:
        places: Place of the model in the query, shape (c,).
        values: Value named, shape (c,).
        scores: How well it is spoken for, 0..1, shape (c,).
    """

    places: Integers
    values: Integers
    scores: Doubles


def recent_popularity(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """The most declared in the last sixty days that are visible."""
    labels = neighbourhood.events
    counts = np.bincount(
        labels.values[labels.times >= labels.times[-1] - CANDIDATE.recent_days], minlength=labels.num_values
    )
    best = np.argsort(-counts, kind="stable")[:MAX_CANDIDATES]
    best = best[counts[best] > 0]
    share = counts[best] / counts.sum()
    return BaselineCandidates(
        np.repeat(np.arange(len(query)), len(best)), np.tile(best, len(query)), np.tile(share, len(query))
    )


def group_share(neighbourhood: Neighbourhood, query: CompletionQuery, group: str) -> BaselineCandidates:
    """The most declared of a group, by the share of its declarations."""
    if group not in neighbourhood.groupings:
        return _no_candidates()
    group_of, history = neighbourhood.group_of(group, query), neighbourhood.counts_by(group)
    places, values = history.most_frequent(group_of, query.cutoffs)
    counts = history.count_features(
        group_of[places], values, query.cutoffs[places], neighbourhood.graph.event_time[query.rows[places]]
    )
    return BaselineCandidates(places, values, counts[:, 0].astype(np.float64))


def last_by_author(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """What the author declared last."""
    ranks = neighbourhood.counts_by("author").last_k(
        neighbourhood.group_of("author", query), query.cutoffs, MAX_CANDIDATES
    )
    places, column = np.nonzero(ranks >= 0)
    return BaselineCandidates(places, neighbourhood.events.values[ranks[places, column]], 1 / (2.0 + column))


def token_overlap(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Values whose models' words are the likest (Rocchio: Manning et al. 2008, 14.2; words weighted by rarity)."""
    centroids = _class_centroids(neighbourhood, bool(query.metadata_visible.all()))
    return _top_by_product(token_matrix(neighbourhood, query), centroids.T.tocsr())


@cache
def _class_centroids(neighbourhood: Neighbourhood, with_metadata: bool) -> csr_array:
    """Return the mean words of each value's models, length one, shape (values, BUCKETS)."""
    labels = neighbourhood.events
    rows, place = np.unique(labels.rows, return_inverse=True)
    tokens = token_matrix(
        neighbourhood, CompletionQuery(rows, neighbourhood.graph.created[rows], np.full(len(rows), with_metadata))
    )
    document_frequency = np.bincount(tokens.indices, minlength=BUCKETS)
    idf = np.log((len(rows) + 1) / (document_frequency + 1)) ** 2
    indices = (labels.values.astype(np.int32), place.astype(np.int32))
    incidence = csr_array((np.ones(len(place), np.float32), indices), shape=(labels.num_values, len(rows)))
    centroids = (incidence @ tokens) @ diags_array(idf.astype(np.float32))
    length = np.sqrt(np.asarray((centroids * centroids).sum(1)))
    return (diags_array((1 / np.maximum(length, 1e-9)).astype(np.float32)) @ centroids).tocsr()


def strip_suffix(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Models named like this one without what says that it is a copy in another format."""
    found = []
    for place, name in enumerate(_query_names(neighbourhood, query)):
        if (stripped := stem(name)) != name:
            found += [(place, model, 1.0) for model in _models_by_name(neighbourhood).get(stripped, ())]
    return _as_candidates(found)


def name_contains(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Models whose whole name is part of this one's, between its hyphens and the like; the longest first."""
    models_by_name, found = _models_by_name(neighbourhood), []
    for place, name in enumerate(_query_names(neighbourhood, query)):
        parts = segments(name, MIN_NAME_LENGTH)
        matches = [(place, model, len(part) / len(name)) for part in parts for model in models_by_name.get(part, ())]
        found += matches[:MAX_CANDIDATES]
    return _as_candidates(found)


def char_ngram_tfidf(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Declared parents of the likest names (cosine of TF-IDF over three characters), times the logarithm of uses."""
    counts = np.bincount(neighbourhood.events.values, minlength=neighbourhood.events.num_values)
    declared = np.flatnonzero(counts)
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 3), dtype=np.float32)
    value_vectors = csr_array(
        vectorizer.fit_transform([_bare_name(neighbourhood.column.categories[value]) for value in declared])
    )
    value_vectors = (diags_array(np.log1p(counts[declared]).astype(np.float32)) @ value_vectors).T.tocsr()
    query_vectors = csr_array(vectorizer.transform(_query_names(neighbourhood, query)))
    found = _top_by_product(query_vectors, value_vectors)
    return found._replace(values=declared[found.values])


def with_popular(
    neighbourhood: Neighbourhood, query: CompletionQuery, candidates: BaselineCandidates
) -> RankedCandidates:
    """Return a method's candidates, then the most declared lately, as a ranking."""
    popular = recent_popularity(neighbourhood, query)
    keys = np.concatenate((candidates.places, popular.places)) * neighbourhood.events.num_values + np.concatenate(
        (candidates.values, popular.values)
    )
    share = np.concatenate((np.clip(candidates.scores, 0, 1), popular.scores))
    # What the method itself names goes first.
    score = share + np.repeat([1.0, 0.0], [len(candidates.places), len(popular.places)])
    order = np.lexsort((-score, keys))
    order = order[np.diff(keys[order], prepend=-1) != 0]
    places, values = keys[order] // neighbourhood.events.num_values, keys[order] % neighbourhood.events.num_values
    if neighbourhood.task.attribute == "base_model":
        rows, created = query.rows[places], neighbourhood.graph.created
        older = (values != rows) & (created[values] <= created[rows])
        order, places, values = order[older], places[older], values[older]
    return RankedCandidates(places, values, share[order], score[order])


def _bare_name(identifier: str) -> str:
    return identifier.rpartition("/")[2].lower()


def _query_names(neighbourhood: Neighbourhood, query: CompletionQuery) -> list[str]:
    return [_bare_name(neighbourhood.graph.ids[row]) for row in query.rows]


@cache
def _models_by_name(neighbourhood: Neighbourhood) -> dict[str, list[int]]:
    """Return models by their names, at most ten each, the most declared first."""
    counts = np.bincount(neighbourhood.events.values, minlength=neighbourhood.events.num_values)
    found: dict[str, list[int]] = defaultdict(list)
    for model in np.argsort(-counts, kind="stable").tolist():
        same = found[_bare_name(neighbourhood.column.categories[model])]
        if len(same) < MAX_CANDIDATES:
            same.append(model)
    return dict(found)


def _top_by_product(queries: csr_array, values: csr_array) -> BaselineCandidates:
    """Return the columns that each row of a table points at most, shapes (q, words) and (words, values)."""
    found = [
        _top_of_rows(queries[start : start + CHUNK_SIZE] @ values, start)
        for start in range(0, queries.shape[0], CHUNK_SIZE)
    ]
    return BaselineCandidates(*(np.concatenate(column) for column in zip(_no_candidates(), *found, strict=True)))


def _top_of_rows(scores: csr_array, start: int) -> BaselineCandidates:
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    order = np.lexsort((-scores.data, rows))
    rank = np.arange(len(order)) - scores.indptr[rows[order]]
    kept = order[rank < MAX_CANDIDATES]
    # At most one for identical words; uses may lift it above.
    top = max(float(scores.data.max(initial=1.0)), 1.0)
    return BaselineCandidates(
        rows[kept] + start, scores.indices[kept].astype(np.int64), scores.data[kept].astype(np.float64) / top
    )


def _as_candidates(found: list[tuple[int, int, float]]) -> BaselineCandidates:
    if not found:
        return _no_candidates()
    places, values, scores = zip(*found, strict=True)
    return BaselineCandidates(np.array(places, np.int64), np.array(values, np.int64), np.array(scores, np.float64))


def _no_candidates() -> BaselineCandidates:
    no_rows = np.zeros(0, np.int64)
    return BaselineCandidates(no_rows, no_rows, np.zeros(0))


LIST_BASELINES: dict[str, Callable[[Neighbourhood, CompletionQuery], BaselineCandidates]] = {
    "most declared lately": lambda around, query: _no_candidates(),
    "author's last": last_by_author,
    "author": lambda around, query: group_share(around, query, "author"),
    "parent's label": lambda around, query: group_share(around, query, "parent's label"),
    "siblings": lambda around, query: group_share(around, query, "siblings"),
    "same name": lambda around, query: group_share(around, query, "same name"),
    "tags": lambda around, query: group_share(around, query, "tags"),
    "words": token_overlap,
}
PARENT_BASELINES: dict[str, Callable[[Neighbourhood, CompletionQuery], BaselineCandidates]] = {
    "name without its ending": strip_suffix,
    "longest name inside": name_contains,
    "likeness of characters × uses": char_ngram_tfidf,
}


def list_baselines(neighbourhood: Neighbourhood, query: CompletionQuery) -> dict[str, RankedCandidates]:
    """Return what every method that applies to the attribute says, by its name."""
    methods = {**LIST_BASELINES, **(PARENT_BASELINES if neighbourhood.task.attribute == "base_model" else {})}
    has_lineage = "siblings" in neighbourhood.groupings
    return {
        name: with_popular(neighbourhood, query, method(neighbourhood, query))
        for name, method in methods.items()
        if has_lineage or name not in ("parent's label", "siblings")
    }
