"""The feature table of candidates: counts by group, names, context, and the scores of other models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Flags, Floats, Integers
from atlas_db.core.cpu import available_cores
from gnn.candidates import name_neighbours
from gnn.candidates.generate import REPOSITORY_INDEX, CandidateGenerator, Candidates
from gnn.candidates.inverted_index import OVERLAP_FEATURES, InvertedIndex
from gnn.candidates.name_neighbours import KnnVotes
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import uses_lineage
from gnn.dataset.temporal_counts import COUNT_FEATURES
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.token_parameters import TOKEN

CLASS_SCORE_FEATURES = ("log-probability", "highest log-probability", "gap to the highest")
NETWORK_FEATURES = tuple(f"network: {name}" for name in CLASS_SCORE_FEATURES)
"""Features that a table has last where there is a graph network."""
CONTEXT_FEATURES = ("has metadata", "observation lag", "parents")
ROWS_PER_BLOCK = 2048
"""Rows that are concatenated at once."""


class CandidateTable(NamedTuple):
    """Candidates of the models in a query, with their features.

    Attributes:
        query_index: Index of the model in the query, ascending, shape (c,).
        values: Proposed value, shape (c,).
        features: Shape (c, features), named by `CandidateTableBuilder.feature_names`, and `NETWORK_FEATURES` where
            there is a network.
    """

    query_index: Integers
    values: Integers
    features: Floats

    def filter(self, kept: Flags) -> CandidateTable:
        """Return the candidates where `kept` is true."""
        return CandidateTable(self.query_index[kept], self.values[kept], self.features[kept])


class ClassScores(NamedTuple):
    """Scores of one classifier for the models of a query.

    Attributes:
        log_probabilities: Shape (q, classes).
        class_of_value: Class of each value, -1 for values without one, shape (values,).
    """

    log_probabilities: Floats
    class_of_value: Integers

    def top_values(self, k: int) -> Integers:
        """Return the k values of the highest log-probability for each model, in no order, shape (q, at most k)."""
        values = np.flatnonzero(self.class_of_value >= 0)
        value_of_class = np.empty(len(values), np.int64)
        value_of_class[self.class_of_value[values]] = values
        k = min(k, self.log_probabilities.shape[1])
        if not k:
            return np.empty((len(self.log_probabilities), 0), np.int64)
        return value_of_class[np.argpartition(self.log_probabilities, -k, 1)[:, -k:]]

    def features_of(self, query_index: Integers, values: Integers) -> Floats:
        """Return the features of candidates, shape (c, 3), named by `CLASS_SCORE_FEATURES`; NaN without a class.

        Args:
            query_index: Model of each candidate, shape (c,).
            values: Value of each candidate, shape (c,).
        """
        if not self.log_probabilities.shape[1]:
            return np.full((len(query_index), len(CLASS_SCORE_FEATURES)), np.nan, np.float32)
        classes = self.class_of_value[values]
        own = np.where(classes >= 0, self.log_probabilities[query_index, classes], np.nan)
        highest = self.log_probabilities.max(1)[query_index]
        return np.column_stack((own, highest, own - highest)).astype(np.float32)


class GroupCounts(NamedTuple):
    """Declarations of candidate values in their models' groups; all 0 where a group has none.

    Attributes:
        share: Smoothed share of the value, shape (c, groups).
        positives: Declarations of the value, shape (c, groups).
        total: Declarations of the whole group, shape (c, groups).
    """

    share: Floats
    positives: Integers
    total: Integers


class CandidateTableBuilder:
    """Generates the candidates of models and computes their features.

    Args:
        neighbourhood: Visible declarations.
    """

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self._neighbourhood = neighbourhood
        self._generator = CandidateGenerator(neighbourhood)
        self._attribute = neighbourhood.task.attribute

    @cached_property
    def _metadata_index(self) -> InvertedIndex | None:
        """Metadata tokens of possible parents; None for other attributes."""
        neighbourhood = self._neighbourhood
        if self._attribute != "base_model":
            return None
        return InvertedIndex(neighbourhood.metadata_tokens, TOKEN.buckets, np.arange(len(neighbourhood.graph)))

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order, without those of a network."""
        index = REPOSITORY_INDEX.get(self._attribute)
        pair = () if index is None else (*index.features, *name_neighbours.FEATURES)
        if self._attribute == "base_model":
            pair = (*pair, *(f"metadata tokens: {name}" for name in OVERLAP_FEATURES), "inferred from weights")
        counts = (f"{group}: {count}" for group in self._neighbourhood.group_names for count in COUNT_FEATURES)
        smoothed = [f"smoothed bag of words: {name}" for name in CANDIDATE.smoothed_groups]
        scores = (f"bag of words: {name}" for name in CLASS_SCORE_FEATURES)
        return [*counts, *pair, *CONTEXT_FEATURES, *smoothed, *scores]

    def group_counts(self, features: Floats) -> GroupCounts:
        """Return the counts that candidates' features stand for.

        Args:
            features: Features of the candidates, shape (c, features).
        """
        groups = len(self._neighbourhood.group_names)
        counts = features[:, : groups * len(COUNT_FEATURES)].reshape(len(features), groups, len(COUNT_FEATURES))
        positives, total = np.nan_to_num(np.expm1(counts[:, :, 1:3].astype(np.float64))).round().astype(np.int64).T
        return GroupCounts(np.nan_to_num(counts[:, :, 0]), positives.T, total.T)

    def build(
        self, query: CompletionQuery, network: ClassScores | None, likely_values: Integers,
        bag_of_words: ClassScores, smoothed: Callable[[Integers, Integers], Floats],
    ) -> CandidateTable:  # fmt: skip
        """Return the candidates of models with their features.

        Args:
            query: The models.
            network: Scores of the graph network; without it the table has no features of one.
            likely_values: Likely values by the network or the bag of words, shape (q, k).
            bag_of_words: Scores of the bag-of-words classifier.
            smoothed: Function from query index and value of candidates, shape (c,) each, to their mean bag-of-words
                probability among neighbours, shape (c, groups).
        """
        votes = self._generator.name_votes(query)
        candidates = self._generator.generate(query, likely_values, votes)
        query_index, values = candidates
        parts = [
            *self._count_features(query, candidates),
            *self._repository_features(query, candidates, votes),
            self._context_features(query)[query_index],
            smoothed(query_index, values),
            bag_of_words.features_of(query_index, values),
        ]
        if network is not None:
            parts.append(network.features_of(query_index, values))
        return CandidateTable(query_index, values, hstack_in_blocks(parts))

    def _count_features(self, query: CompletionQuery, candidates: Candidates) -> list[Floats]:
        """Return the counts by each group, shape (c, 6) each."""
        neighbourhood = self._neighbourhood
        dates = neighbourhood.graph.event_time[query.rows]
        one_group = np.zeros(len(query), np.int64)
        overall = neighbourhood.overall_counts.count_features(one_group, query.cutoffs, dates, *candidates)

        def counted(name: str) -> Floats:
            groups = neighbourhood.group_of(name, query)
            return neighbourhood.counts_by(name).count_features(groups, query.cutoffs, dates, *candidates)

        # Sorting and searching release the interpreter lock, so each core takes one grouping.
        with ThreadPoolExecutor(available_cores()) as executor:
            return [overall, *executor.map(counted, neighbourhood.groupings)]

    def _repository_features(
        self, query: CompletionQuery, candidates: Candidates, votes: KnnVotes | None
    ) -> list[Floats]:
        """Return features of candidates that are repositories: names, shared metadata, inferred edges."""
        neighbourhood, search = self._neighbourhood, self._generator.search
        if search is None or votes is None:
            return []
        query_index, values = candidates
        parts = [
            search[0].pair_features(query.rows[query_index], values, query.cutoffs[query_index]),
            votes.features_of(query_index, values, neighbourhood.events.num_values),
        ]
        if self._metadata_index is not None:
            visible = neighbourhood.metadata_tokens.take(np.where(query.metadata_visible, query.rows, -1))
            parts += [
                self._metadata_index.overlap_features(visible, query_index, values),
                self._is_inferred(query.rows[query_index], values),
            ]
        return parts

    def _is_inferred(self, children: Integers, parents: Integers) -> Floats:
        """Return 1 where the weights support an edge, else 0, shape (edges, 1).

        The confidence of the edge must not be used: it is higher where an author declares the edge, too.
        """
        inferred = self._generator.inferred_parents.take(children)
        out = np.zeros((len(children), 1), np.float32)
        out[inferred.rows[inferred.values == parents[inferred.rows]]] = 1
        return out

    def _context_features(self, query: CompletionQuery) -> Floats:
        """Return features of the models alone, shape (q, 3), named by `CONTEXT_FEATURES`."""
        neighbourhood = self._neighbourhood
        lag = neighbourhood.graph.event_time[query.rows] - query.cutoffs
        parents = (
            neighbourhood.graph.parents.counts[query.rows] if uses_lineage(self._attribute) else np.zeros(len(query))
        )
        return np.column_stack((neighbourhood.has_metadata(query), lag, parents)).astype(np.float32)


def hstack_in_blocks(parts: Sequence[Floats]) -> Floats:
    """Return the horizontal concatenation of tables, shape (rows, sum of columns).

    A block of rows at a time stays in the cache of the core.
    """
    out = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), np.float32)
    for start in range(0, len(out), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        np.concatenate([part[block] for part in parts], 1, out=out[block])
    return out
