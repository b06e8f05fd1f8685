"""Baselines of attributes with several values (parents, datasets, languages): recommenders of a few lines each.

Every baseline sees the same visible declarations. It proposes up to ten candidates with a score in 0..1; the most
popular recent values follow them.
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
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.models.attribute_model import RankedCandidates
from gnn.models.bag_of_words import token_matrix
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.evaluation_parameters import EVALUATION
from gnn.parameters.token_parameters import TOKEN

_BASELINE = EVALUATION.baseline
CHUNK_SIZE = 500
"""Models whose scores are computed at once."""


class BaselineCandidates(NamedTuple):
    """Candidates of one baseline.

    Attributes:
        query_index: Index of each candidate's model in the query, shape (c,).
        values: Value of each candidate, shape (c,).
        scores: Score of each candidate in 0..1, shape (c,).
    """

    query_index: Integers
    values: Integers
    scores: Doubles


def recent_popularity(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Return the values declared most in the last sixty visible days, with their share."""
    events = neighbourhood.events
    counts = np.bincount(
        events.values[events.times >= events.times[-1] - CANDIDATE.recent_days], minlength=events.num_values
    )
    best = np.argsort(-counts, kind="stable")[: _BASELINE.max_candidates]
    best = best[counts[best] > 0]
    share = counts[best] / counts.sum()
    return BaselineCandidates(
        np.repeat(np.arange(len(query)), len(best)), np.tile(best, len(query)), np.tile(share, len(query))
    )


def group_share(neighbourhood: Neighbourhood, query: CompletionQuery, group: str) -> BaselineCandidates:
    """Return the values declared most in a group, with their smoothed share of its declarations."""
    if group not in neighbourhood.groupings:
        return _no_candidates()
    group_of, history = neighbourhood.group_of(group, query), neighbourhood.counts_by(group)
    query_index, values = history.most_frequent(group_of, query.cutoffs)
    dates = neighbourhood.graph.event_time[query.rows]
    counts = history.count_features(group_of, query.cutoffs, dates, query_index, values)
    return BaselineCandidates(query_index, values, counts[:, 0].astype(np.float64))


def last_by_author(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Return the values that the author declared last, newest first."""
    ranks = neighbourhood.counts_by("author").last_k(
        neighbourhood.group_of("author", query), query.cutoffs, _BASELINE.max_candidates
    )
    query_index, column = np.nonzero(ranks >= 0)
    return BaselineCandidates(query_index, neighbourhood.events.values[ranks[query_index, column]], 1 / (2.0 + column))


def token_overlap(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Return the values whose centroid of IDF-weighted tokens is nearest (Rocchio: Manning et al. 2008, 14.2)."""
    centroids = _class_centroids(neighbourhood, bool(query.metadata_visible.all()))
    return _top_by_product(token_matrix(neighbourhood, query), centroids.T.tocsr())


@cache
def _class_centroids(neighbourhood: Neighbourhood, with_metadata: bool) -> csr_array:
    """Return the mean token vector of each value's models, scaled to unit length, shape (values, TOKEN.buckets)."""
    events = neighbourhood.events
    rows, column = np.unique(events.rows, return_inverse=True)
    tokens = token_matrix(
        neighbourhood, CompletionQuery(rows, neighbourhood.graph.created[rows], np.full(len(rows), with_metadata))
    )
    document_frequency = np.bincount(tokens.indices, minlength=TOKEN.buckets)
    idf = np.log((len(rows) + 1) / (document_frequency + 1)) ** 2
    indices = (events.values.astype(np.int32), column.astype(np.int32))
    incidence = csr_array((np.ones(len(column), np.float32), indices), shape=(events.num_values, len(rows)))
    centroids = (incidence @ tokens) @ diags_array(idf.astype(np.float32))
    length = np.sqrt(np.asarray((centroids * centroids).sum(1)))
    return (diags_array((1 / np.maximum(length, 1e-9)).astype(np.float32)) @ centroids).tocsr()


def strip_suffix(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Return the models whose name is this one's without the suffix of a copy in another format."""
    candidates = []
    for index, name in enumerate(_query_names(neighbourhood, query)):
        if (stripped := stem(name)) != name:
            candidates += [(index, model, 1.0) for model in _models_by_name(neighbourhood).get(stripped, ())]
    return _as_candidates(candidates)


def name_contains(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Return the models whose whole name is a part of this one's between separators, the longest first."""
    models_by_name, candidates = _models_by_name(neighbourhood), []
    for index, name in enumerate(_query_names(neighbourhood, query)):
        parts = segments(name, _BASELINE.min_name_length)
        matches = [(index, model, len(part) / len(name)) for part in parts for model in models_by_name.get(part, ())]
        candidates += matches[: _BASELINE.max_candidates]
    return _as_candidates(candidates)


def char_ngram_tfidf(neighbourhood: Neighbourhood, query: CompletionQuery) -> BaselineCandidates:
    """Return the parents of the nearest names: cosine of TF-IDF character trigrams, times log(1 + children)."""
    counts = np.bincount(neighbourhood.events.values, minlength=neighbourhood.events.num_values)
    declared = np.flatnonzero(counts)
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(3, 3), dtype=np.float32)
    value_vectors = csr_array(
        vectorizer.fit_transform([_bare_name(neighbourhood.column.categories[value]) for value in declared])
    )
    value_vectors = (diags_array(np.log1p(counts[declared]).astype(np.float32)) @ value_vectors).T.tocsr()
    query_vectors = csr_array(vectorizer.transform(_query_names(neighbourhood, query)))
    candidates = _top_by_product(query_vectors, value_vectors)
    return candidates._replace(values=declared[candidates.values])


def with_popular(
    neighbourhood: Neighbourhood, query: CompletionQuery, candidates: BaselineCandidates
) -> RankedCandidates:
    """Return the candidates of a baseline as a ranking, with the most popular recent values after them."""
    popular = recent_popularity(neighbourhood, query)
    keys = np.concatenate(
        (candidates.query_index, popular.query_index)
    ) * neighbourhood.events.num_values + np.concatenate((candidates.values, popular.values))
    share = np.concatenate((np.clip(candidates.scores, 0, 1), popular.scores))
    # The baseline's own candidates rank first.
    score = share + np.repeat([1.0, 0.0], [len(candidates.query_index), len(popular.query_index)])
    order = np.lexsort((-score, keys))
    order = order[np.diff(keys[order], prepend=-1) != 0]
    query_index, values = keys[order] // neighbourhood.events.num_values, keys[order] % neighbourhood.events.num_values
    if neighbourhood.task.attribute == "base_model":
        rows, created = query.rows[query_index], neighbourhood.graph.created
        older = (values != rows) & (created[values] <= created[rows])
        order, query_index, values = order[older], query_index[older], values[older]
    return RankedCandidates(query_index, values, share[order], score[order])


def _bare_name(identifier: str) -> str:
    return identifier.rpartition("/")[2].lower()


def _query_names(neighbourhood: Neighbourhood, query: CompletionQuery) -> list[str]:
    return [_bare_name(neighbourhood.graph.ids[row]) for row in query.rows]


@cache
def _models_by_name(neighbourhood: Neighbourhood) -> dict[str, list[int]]:
    """Return models by name, at most ten a name, those with the most children first."""
    counts = np.bincount(neighbourhood.events.values, minlength=neighbourhood.events.num_values)
    by_name: dict[str, list[int]] = defaultdict(list)
    for model in np.argsort(-counts, kind="stable").tolist():
        same = by_name[_bare_name(neighbourhood.column.categories[model])]
        if len(same) < _BASELINE.max_candidates:
            same.append(model)
    return dict(by_name)


def _top_by_product(queries: csr_array, values: csr_array) -> BaselineCandidates:
    """Return the columns of the highest products of each row, for shapes (q, tokens) and (tokens, values)."""
    chunks = [
        _top_of_rows(queries[start : start + CHUNK_SIZE] @ values, start)
        for start in range(0, queries.shape[0], CHUNK_SIZE)
    ]
    return BaselineCandidates(*(np.concatenate(column) for column in zip(_no_candidates(), *chunks, strict=True)))


def _top_of_rows(scores: csr_array, start: int) -> BaselineCandidates:
    """Return the highest entries of each row of a chunk that starts at a query index."""
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    order = np.lexsort((-scores.data, rows))
    rank = np.arange(len(order)) - scores.indptr[rows[order]]
    kept = order[rank < _BASELINE.max_candidates]
    # A cosine is at most one; a factor for children may lift it above.
    top = max(float(scores.data.max(initial=1.0)), 1.0)
    return BaselineCandidates(
        rows[kept] + start, scores.indices[kept].astype(np.int64), scores.data[kept].astype(np.float64) / top
    )


def _as_candidates(candidates: list[tuple[int, int, float]]) -> BaselineCandidates:
    if not candidates:
        return _no_candidates()
    query_index, values, scores = zip(*candidates, strict=True)
    return BaselineCandidates(np.array(query_index, np.int64), np.array(values, np.int64), np.array(scores, np.float64))


def _no_candidates() -> BaselineCandidates:
    no_rows = np.zeros(0, np.int64)
    return BaselineCandidates(no_rows, no_rows, np.zeros(0))


LIST_BASELINES: dict[str, Callable[[Neighbourhood, CompletionQuery], BaselineCandidates]] = {
    "recent popularity": lambda neighbourhood, query: _no_candidates(),
    "last by author": last_by_author,
    "author": lambda neighbourhood, query: group_share(neighbourhood, query, "author"),
    "parent's label": lambda neighbourhood, query: group_share(neighbourhood, query, "parent's label"),
    "siblings": lambda neighbourhood, query: group_share(neighbourhood, query, "siblings"),
    "same name": lambda neighbourhood, query: group_share(neighbourhood, query, "same name"),
    "tags": lambda neighbourhood, query: group_share(neighbourhood, query, "tags"),
    "token overlap": token_overlap,
}
PARENT_BASELINES: dict[str, Callable[[Neighbourhood, CompletionQuery], BaselineCandidates]] = {
    "stripped suffix": strip_suffix,
    "contained name": name_contains,
    "character n-gram TF-IDF × children": char_ngram_tfidf,
}


def list_baselines(neighbourhood: Neighbourhood, query: CompletionQuery) -> dict[str, RankedCandidates]:
    """Return the ranking of every baseline that applies to the attribute, by its name."""
    methods = {**LIST_BASELINES, **(PARENT_BASELINES if neighbourhood.task.attribute == "base_model" else {})}
    has_lineage = "siblings" in neighbourhood.groupings
    return {
        name: with_popular(neighbourhood, query, method(neighbourhood, query))
        for name, method in methods.items()
        if has_lineage or name not in ("parent's label", "siblings")
    }
