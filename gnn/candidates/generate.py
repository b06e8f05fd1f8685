"""Candidate values of each model: the union of what several generators propose."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import CsrLists, Integers, csr_lists, unique_sorted
from gnn.candidates.dataset_candidates import DatasetIndex
from gnn.candidates.inverted_index import Vocabulary, tokenize_names
from gnn.candidates.name_neighbours import KnnVotes, NameKNN
from gnn.candidates.parent_candidates import ParentIndex
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.parameters.candidate_parameters import CANDIDATE

REPOSITORY_INDEX: dict[str, type[ParentIndex] | type[DatasetIndex]] = {
    "base_model": ParentIndex,
    "datasets": DatasetIndex,
}
"""Attributes whose values are repositories, which are searched by name."""


class Candidates(NamedTuple):
    """Values proposed for the models of a query.

    Attributes:
        query_index: Index of the model in the query, shape (c,).
        values: Proposed value, shape (c,).
    """

    query_index: Integers
    values: Integers


class CandidateGenerator:
    """Proposes values for models.

    They come from:

    - frequent values of groups, and frequent values of late
    - likely values by the network or the bag of words
    - search by name, and nearest neighbours by name
    - edges inferred from weights

    Args:
        neighbourhood: Visible declarations.
    """

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self._neighbourhood = neighbourhood
        self._for_parents = neighbourhood.task.attribute == "base_model"

    @cached_property
    def search(self) -> tuple[ParentIndex | DatasetIndex, NameKNN] | None:
        """Index of candidate repositories, and nearest neighbours by name; None where values are no repositories."""
        neighbourhood = self._neighbourhood
        index = REPOSITORY_INDEX.get(neighbourhood.task.attribute)
        if index is None:
            return None
        models = tokenize_names(neighbourhood.graph.ids, Vocabulary())
        return index(neighbourhood.graph, neighbourhood.column.categories, neighbourhood.events, models), NameKNN(
            neighbourhood.events, models
        )

    @cached_property
    def inferred_parents(self) -> CsrLists:
        """Parents of each model that its weights support."""
        graph = self._neighbourhood.graph
        parents, is_inferred = graph.parents, graph.inferred
        return csr_lists(len(graph), parents.rows[is_inferred], parents.values[is_inferred])

    def name_votes(self, query: CompletionQuery) -> KnnVotes | None:
        """Return the declarations of the nearest neighbours by name; None where values are no repositories."""
        return None if self.search is None else self.search[1].votes(query.rows, query.cutoffs)

    def generate(self, query: CompletionQuery, likely_values: Integers, votes: KnnVotes | None) -> Candidates:
        """Return the unique candidates of each model, in ascending order of model and value.

        Args:
            query: The models.
            likely_values: Likely values by the network or the bag of words, shape (q, k).
            votes: Declarations of the nearest neighbours by name, of `name_votes`.
        """
        neighbourhood, num_values = self._neighbourhood, self._neighbourhood.events.num_values
        found = [
            neighbourhood.counts_by(name).most_frequent(neighbourhood.group_of(name, query), query.cutoffs)
            for name in CANDIDATE.proposing_groups
            if name in neighbourhood.groupings
        ]
        found += [_same_for_each(np.tile(self._frequent_of_late(), (len(query), 1))), _same_for_each(likely_values)]
        if self.search is not None and votes is not None:
            found += [self.search[0].propose(query.rows, query.cutoffs), (votes.query_index, votes.values)]
        if self._for_parents:
            inferred = self.inferred_parents.take(query.rows)
            found.append((inferred.rows, inferred.values))
        keys = unique_sorted(np.concatenate([index * num_values + values for index, values in found]))
        candidates = Candidates(keys // num_values, keys % num_values)
        return self._older(query, candidates) if self._for_parents else candidates

    def _frequent_of_late(self) -> Integers:
        """Return the most frequent values of the last two windows of all declarations, the most frequent first."""
        events = self._neighbourhood.events
        is_late = events.times >= events.times[-1] - 2 * CANDIDATE.recent_days
        counts = np.bincount(events.values[is_late], minlength=events.num_values)
        k = CANDIDATE.multi_top_k if self._neighbourhood.task.multi_valued else CANDIDATE.single_top_k
        return np.argsort(-counts, kind="stable")[: min(k, int((counts > 0).sum()))]

    def _older(self, query: CompletionQuery, candidates: Candidates) -> Candidates:
        """Return the candidate parents that are not younger than the model, without the model itself."""
        created = self._neighbourhood.graph.created
        models, values = query.rows[candidates.query_index], candidates.values
        is_older = (values != models) & (created[values] <= created[models])
        return Candidates(candidates.query_index[is_older], values[is_older])


def _same_for_each(values: Integers) -> tuple[Integers, Integers]:
    """Return a table of values, shape (q, k), as index of the model and value, shape (q * k,) each."""
    return np.repeat(np.arange(len(values)), values.shape[1]), values.reshape(-1)
