"""What words say of a model's kin, whether these declare anything or not: Correct and Smooth's smoothing, in time."""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Floats, Integers, distinct
from gnn.dataset.temporal_counts import RECENT, History, Labels
from gnn.features.neighbours import ECHO, Around, Query, Voice
from gnn.models.bag_of_words import Linear

PART = 50_000


class Echo:
    """Asks words of the models that came before a model in its groups; of each model once.

    Args:
        around: What is visible.
        linear: What words say.
    """

    def __init__(self, around: Around, linear: Linear) -> None:
        self.around = around
        self._linear = linear
        self._classes = linear.classes(around)
        models = len(around.graph)
        self._scores = np.zeros((models, len(linear.values)), np.float16)
        self._asked = np.zeros(models, bool)
        rows = np.argsort(around.graph.since, kind="stable")
        self._everyone = Labels(rows, np.zeros(models, np.int64), around.graph.since[rows], 1)
        self._histories: dict[str, History] = {}

    def voice(self, query: Query) -> Voice:
        """Return what words say of the models themselves."""
        return Voice(self._linear.scores(self.around, query), self._classes)

    def about(self, query: Query, places: Integers, values: Integers) -> Floats:
        """Return the mean probability of each candidate among the latest kin older than the model, group by group.

        Args:
            query: The models.
            places: Place of the model in the query, shape (c,).
            values: Value proposed, shape (c,).

        Returns:
            Shape (c, groups), NaN where there is no kin, or where words do not speak for the value.
        """
        known = self._classes[values]
        out = np.full((len(places), len(ECHO)), np.nan, np.float32)
        spoken = np.flatnonzero(known >= 0)
        for column, name in enumerate(ECHO):
            if name not in self.around.groups or not len(spoken):
                continue
            kin = self._kin(name, query)
            self._ask(kin)
            there = kin >= 0
            number = there.sum(1)
            mean = np.zeros((len(query), self._scores.shape[1]), np.float32)
            for place in range(kin.shape[1]):
                mean[there[:, place]] += self._scores[kin[there[:, place], place]]
            mean[number > 0] /= number[number > 0][:, None]
            mean[number == 0] = np.nan
            out[spoken, column] = mean[places[spoken], known[spoken]]
        return out

    def _kin(self, name: str, query: Query) -> Integers:
        """Return the latest models of a group that are older than each model, -1 for none, shape (q, RECENT)."""
        if name not in self._histories:
            self._histories[name] = History(self._everyone, self.around.groups[name].members)
        asked = self.around.asked(name, query)
        ranks = self._histories[name].latest(asked, self.around.graph.since[query.rows], RECENT)
        return np.where(ranks >= 0, self._everyone.rows[ranks], -1)

    def _ask(self, kin: Integers) -> None:
        rows = distinct(kin[kin >= 0])
        rows = rows[~self._asked[rows]]
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            query = Query(part, self.around.graph.since[part], np.ones(len(part), bool))
            self._scores[part] = np.exp(self._linear.scores(self.around, query))
        self._asked[rows] = True
