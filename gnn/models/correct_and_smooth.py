"""What words say of a model's kin, whether these declare anything or not: Correct and Smooth's smoothing, in time."""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Floats, Integers, unique_sorted
from gnn.dataset.temporal_counts import RECENT, Events, PointInTimeCounts
from gnn.features.neighbours import SMOOTHED_GROUPS, ClassScores, CompletionQuery, Neighbourhood
from gnn.models.bag_of_words import BagOfWordsClassifier

CHUNK_SIZE = 50_000


class LabelSmoothing:
    """Asks words of the models that came before a model in its groups; of each model once.

    Args:
        neighbourhood: What is visible.
        bag_of_words: What words say.
    """

    def __init__(self, neighbourhood: Neighbourhood, bag_of_words: BagOfWordsClassifier) -> None:
        self.neighbourhood = neighbourhood
        self._bag_of_words = bag_of_words
        self._class_of_value = bag_of_words.class_of_value(neighbourhood)
        models = len(neighbourhood.graph)
        self._probabilities = np.zeros((models, len(bag_of_words.values)), np.float16)
        self._is_computed = np.zeros(models, bool)
        rows = np.argsort(neighbourhood.graph.event_time, kind="stable")
        self._all_models = Events(rows, np.zeros(models, np.int64), neighbourhood.graph.event_time[rows], 1)
        self._counts_by_group: dict[str, PointInTimeCounts] = {}

    def class_scores(self, query: CompletionQuery) -> ClassScores:
        """Return what words say of the models themselves."""
        return ClassScores(self._bag_of_words.predict_log_proba(self.neighbourhood, query), self._class_of_value)

    def mean_neighbour_probability(self, query: CompletionQuery, places: Integers, values: Integers) -> Floats:
        """Return the mean probability of each candidate among the latest kin older than the model, group by group.

        Args:
            query: The models.
            places: Place of the model in the query, shape (c,).
            values: Value proposed, shape (c,).

        Returns:
            Shape (c, groups), NaN where there is no kin, or where words do not speak for the value.
        """
        class_of_candidate = self._class_of_value[values]
        out = np.full((len(places), len(SMOOTHED_GROUPS)), np.nan, np.float32)
        covered = np.flatnonzero(class_of_candidate >= 0)
        for column, name in enumerate(SMOOTHED_GROUPS):
            if name not in self.neighbourhood.groupings or not len(covered):
                continue
            neighbours = self._neighbours(name, query)
            self._compute(neighbours)
            present = neighbours >= 0
            counts = present.sum(1)
            mean = np.zeros((len(query), self._probabilities.shape[1]), np.float32)
            for position in range(neighbours.shape[1]):
                mean[present[:, position]] += self._probabilities[neighbours[present[:, position], position]]
            mean[counts > 0] /= counts[counts > 0][:, None]
            mean[counts == 0] = np.nan
            out[covered, column] = mean[places[covered], class_of_candidate[covered]]
        return out

    def _neighbours(self, name: str, query: CompletionQuery) -> Integers:
        """Return the latest models of a group that are older than each model, -1 for none, shape (q, RECENT)."""
        if name not in self._counts_by_group:
            self._counts_by_group[name] = PointInTimeCounts(
                self._all_models, self.neighbourhood.groupings[name].member_key
            )
        group_of = self.neighbourhood.group_of(name, query)
        ranks = self._counts_by_group[name].last_k(group_of, self.neighbourhood.graph.event_time[query.rows], RECENT)
        return np.where(ranks >= 0, self._all_models.rows[ranks], -1)

    def _compute(self, neighbours: Integers) -> None:
        rows = unique_sorted(neighbours[neighbours >= 0])
        rows = rows[~self._is_computed[rows]]
        for start in range(0, len(rows), CHUNK_SIZE):
            part = rows[start : start + CHUNK_SIZE]
            query = CompletionQuery(part, self.neighbourhood.graph.event_time[part], np.ones(len(part), bool))
            self._probabilities[part] = np.exp(self._bag_of_words.predict_log_proba(self.neighbourhood, query))
        self._is_computed[rows] = True
