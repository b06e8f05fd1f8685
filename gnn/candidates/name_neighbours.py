"""k nearest neighbours by name: the values that models with similar names declared before a cutoff."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import InvertedIndex, TokenizedNames, top_k_per_group
from gnn.dataset.temporal_counts import Events
from gnn.parameters.candidate_parameters import CANDIDATE

FEATURES = ("similarity of the nearest name", "share of the nearest names' similarity")


class KnnVotes(NamedTuple):
    """Values declared by the nearest neighbours of each model.

    Attributes:
        query_index: Index of the model in the query, ascending, shape (v,).
        values: Value, ascending within a model, shape (v,).
        features: Highest similarity of a neighbour that declares the value, and the value's share of the summed
            similarity, shape (v, 2).
    """

    query_index: Integers
    values: Integers
    features: Floats

    def features_of(self, query_index: Integers, values: Integers, num_values: int) -> Floats:
        """Return the features of candidates, zeros for values that no neighbour declares, shape (c, 2).

        Args:
            query_index: Model of each candidate, shape (c,).
            values: Value of each candidate, shape (c,).
            num_values: Number of different values.
        """
        out = np.zeros((len(query_index), len(FEATURES)), np.float32)
        if not len(self.query_index):
            return out
        keys, needed = self.query_index * num_values + self.values, query_index * num_values + values
        position = np.minimum(np.searchsorted(keys, needed), len(keys) - 1)
        is_found = keys[position] == needed
        out[is_found] = self.features[position[is_found]]
        return out


class NameKNN:
    """k nearest neighbours over the names of the models that declare a value.

    The similarity of two names is the summed weight of their shared terms, divided by the geometric mean of the weights
    of their own terms.

    Args:
        events: Visible declarations.
        models: Names of all models.
    """

    def __init__(self, events: Events, models: TokenizedNames) -> None:
        self._events = events
        self._terms = models.terms
        newest_first = np.arange(len(events.rows))[::-1].copy()
        self._index = InvertedIndex(self._terms.take(events.rows), len(models.vocabulary), newest_first)

    def votes(self, rows: Integers, cutoffs: Doubles) -> KnnVotes:
        """Return the values that the nearest neighbours declared before the cutoffs.

        Args:
            rows: Models, shape (q,).
            cutoffs: Days since 1970, shape (q,).
        """
        queries = self._terms.take(rows)
        too_late = len(self._events.times) - np.searchsorted(self._events.times, cutoffs)
        query_index, found, shared = self._index.search(queries, too_late)
        is_other = self._events.rows[found] != rows[query_index]
        query_index, found, shared = query_index[is_other], found[is_other], shared[is_other]
        squared_norm = self._index.weight(queries)[query_index] * self._index.length[found]
        similarity = shared / np.sqrt(np.maximum(squared_norm, 1e-6))
        nearest = top_k_per_group(query_index, similarity.astype(np.float32), CANDIDATE.nearest_names)
        query_index, similarity = query_index[nearest], similarity[nearest]
        keys = query_index * self._events.num_values + self._events.values[found[nearest]]
        unique_keys, vote = np.unique(keys, return_inverse=True)
        highest = np.zeros(len(unique_keys))
        np.maximum.at(highest, vote, similarity)
        total = np.bincount(query_index, similarity, minlength=len(rows))
        owner = unique_keys // self._events.num_values
        share = np.bincount(vote, similarity, minlength=len(unique_keys)) / np.maximum(total[owner], 1e-9)
        features = np.column_stack((highest, share)).astype(np.float32)
        return KnnVotes(owner, unique_keys % self._events.num_values, features)
