"""Smoothing of bag-of-words probabilities over the older models of a group.

It is the second half of Correct and Smooth (Huang et al. 2021, arXiv 2010.13993), bounded in time. A model sees
predictions for neighbours that are older than itself, whether those declare a value or not. The first half, which
spreads errors of labelled neighbours, is left to the count features.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Floats, Integers, unique_sorted
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.temporal_counts import Events, PointInTimeCounts
from gnn.features.candidate_table import ClassScores
from gnn.models.bag_of_words import BagOfWordsClassifier
from gnn.parameters.candidate_parameters import CANDIDATE

CHUNK_SIZE = 50_000
"""Models whose probabilities are computed at once."""


class LabelSmoothing:
    """Mean bag-of-words probability of a value over a model's older neighbours, by group.

    Probabilities of a model are computed once, when a neighbour first needs them.

    Args:
        neighbourhood: Visible declarations, and the groups of every model.
        bag_of_words: The classifier.
    """

    def __init__(self, neighbourhood: Neighbourhood, bag_of_words: BagOfWordsClassifier) -> None:
        self.neighbourhood = neighbourhood
        self._bag_of_words = bag_of_words
        self._class_of_value = bag_of_words.class_of_value(neighbourhood)
        models, event_time = len(neighbourhood.graph), neighbourhood.graph.event_time
        self._probabilities = np.zeros((models, len(bag_of_words.values)), np.float16)
        self._is_computed = np.zeros(models, bool)
        rows = np.argsort(event_time, kind="stable")
        self._all_models = Events(rows, np.zeros(models, np.int64), event_time[rows], 1)
        self._counts_by_group: dict[str, PointInTimeCounts] = {}

    def class_scores(self, query: CompletionQuery) -> ClassScores:
        """Return the classifier's log-probabilities for the models themselves, shape (q, values)."""
        return ClassScores(self._bag_of_words.predict_log_proba(self.neighbourhood, query), self._class_of_value)

    def mean_neighbour_probability(self, query: CompletionQuery, query_index: Integers, values: Integers) -> Floats:
        """Return the mean probability of each candidate over the model's newest older neighbours, by group.

        Args:
            query: The models, shape (q,).
            query_index: Index of each candidate's model in the query, shape (c,).
            values: Value of each candidate, shape (c,).

        Returns:
            Shape (c, groups); NaN where there is no neighbour, or the classifier has no weights for the value.
        """
        class_of_candidate = self._class_of_value[values]
        out = np.full((len(query_index), len(CANDIDATE.smoothed_groups)), np.nan, np.float32)
        covered = np.flatnonzero(class_of_candidate >= 0)
        for column, name in enumerate(CANDIDATE.smoothed_groups):
            if name not in self.neighbourhood.groupings or not len(covered):
                continue
            mean = self._mean_over(self._neighbours(name, query))
            out[covered, column] = mean[query_index[covered], class_of_candidate[covered]]
        return out

    def _mean_over(self, neighbours: Integers) -> Floats:
        """Return the mean probabilities over each row's neighbours, NaN without any, shape (q, values)."""
        self._compute(neighbours)
        present = neighbours >= 0
        counts = present.sum(1)
        mean = np.zeros((len(neighbours), self._probabilities.shape[1]), np.float32)
        for position in range(neighbours.shape[1]):
            rows = present[:, position]
            mean[rows] += self._probabilities[neighbours[rows, position]]
        mean[counts > 0] /= counts[counts > 0][:, None]
        mean[counts == 0] = np.nan
        return mean

    def _neighbours(self, name: str, query: CompletionQuery) -> Integers:
        """Return the newest older models in each model's group, -1 for none, shape (q, CANDIDATE.recent_events)."""
        if name not in self._counts_by_group:
            grouping = self.neighbourhood.groupings[name]
            self._counts_by_group[name] = PointInTimeCounts(self._all_models, grouping.member_key)
        group_of = self.neighbourhood.group_of(name, query)
        event_time = self.neighbourhood.graph.event_time[query.rows]
        ranks = self._counts_by_group[name].last_k(group_of, event_time, CANDIDATE.recent_events)
        return np.where(ranks >= 0, self._all_models.rows[ranks], -1)

    def _compute(self, neighbours: Integers) -> None:
        """Compute the probabilities of models that have none yet."""
        rows = unique_sorted(neighbours[neighbours >= 0])
        rows = rows[~self._is_computed[rows]]
        for start in range(0, len(rows), CHUNK_SIZE):
            part = rows[start : start + CHUNK_SIZE]
            query = CompletionQuery(part, self.neighbourhood.graph.event_time[part], np.ones(len(part), bool))
            self._probabilities[part] = np.exp(self._bag_of_words.predict_log_proba(self.neighbourhood, query))
        self._is_computed[rows] = True
