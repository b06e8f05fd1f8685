"""Which datasets a name speaks of: candidates from the Hub's list, declared by anybody before or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import OVERLAP, Called, Spelled, best, spelled
from gnn.dataset.temporal_counts import Labels, Tally

NAMED = 20
"""Datasets proposed for their names."""
OWN = 8
"""Latest datasets of the model's author that are proposed."""
FEATURES = (
    *OVERLAP,
    "dataset's name is part of the model's", "length of the dataset's name", "same author", "years since the dataset",
    "datasets of that name", "declared by nobody yet",
)  # fmt: skip


class DatasetIndex:
    """Datasets by the words of their names, and by their authors.

    Args:
        graph: The graph; its list of datasets says when each was made.
        ids: Ids of datasets.
        labels: Visible declarations of datasets.
        models: Names of models.
    """

    features = FEATURES

    def __init__(self, graph: Graph, ids: Sequence[str], labels: Labels, models: Spelled) -> None:
        self._graph = graph
        self._declared = Tally(labels, labels.values)
        listed = dict(zip(graph.listed.names, graph.listed.created.tolist(), strict=True))
        # Nobody knows the age of those that are not listed: they may be proposed at any time.
        self._created = np.array([listed.get(name, -np.inf) for name in ids], np.float64)
        author = {name: place for place, name in enumerate(graph.authors)}
        self._author = np.array([author.get(name.rpartition("/")[0], -1) for name in ids], np.int64)
        uses = np.bincount(labels.values, minlength=len(ids))
        self._called = Called(models, spelled(ids, models.vocabulary), uses)
        self._by_age = np.lexsort((self._created, self._author))
        self._owners = self._author[self._by_age]

    def proposals(self, rows: Integers, moments: Doubles) -> tuple[Integers, Integers]:
        """Return datasets that models' names speak of, and their authors' own: places in `rows`, and datasets."""
        places, found, alike = self._called.find(rows)
        score = alike + 0.1 * np.log1p(self._declared.before(found, moments[places]))
        kept = best(places, score.astype(np.float32), NAMED)
        owners, own = self._latest(rows)
        places, found = np.concatenate((places[kept], owners)), np.concatenate((found[kept], own))
        there = self._created[found] <= self._graph.created[rows[places]]
        return places[there], found[there]

    def _latest(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return the latest datasets of the models' authors."""
        author = self._graph.author[rows]
        at = np.searchsorted(self._owners, author, side="right")[:, None] - 1 - np.arange(OWN)
        there = (at >= 0) & (author >= 0)[:, None] & (self._owners[np.maximum(at, 0)] == author[:, None])
        return np.nonzero(there)[0], self._by_age[at[there]]

    def pairs(self, models: Integers, datasets: Integers, moments: Doubles) -> Floats:
        """Return what a model's and a dataset's name have in common, shape (pairs, 10), named by `FEATURES`."""
        author = self._graph.author[models]
        years = (self._graph.created[models] - self._created[datasets]) / 365.25
        columns = (
            self._called.pairs(models, datasets),
            (author == self._author[datasets]) & (author >= 0), np.where(np.isfinite(years), years, np.nan),
            self._called.namesakes[datasets], self._declared.before(datasets, moments) == 0,
        )  # fmt: skip
        return np.column_stack(columns).astype(np.float32)
