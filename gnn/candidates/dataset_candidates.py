"""Which datasets a name speaks of: candidates from the Hub's list, declared by anybody before or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import OVERLAP_FEATURES, NameSearch, TokenizedNames, tokenize_names, top_k_per_group
from gnn.dataset.temporal_counts import Events, PrefixCounter

NAMED = 20
"""Datasets proposed for their names."""
OWN = 8
"""Latest datasets of the model's author that are proposed."""
FEATURES = (
    *OVERLAP_FEATURES,
    "dataset's name is part of the model's", "length of the dataset's name", "same author", "years since the dataset",
    "datasets of that name", "not yet declared",
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

    def __init__(self, graph: Graph, ids: Sequence[str], labels: Events, models: TokenizedNames) -> None:
        self._graph = graph
        self._declared = PrefixCounter(labels, labels.values)
        listed = dict(zip(graph.listed_datasets.names, graph.listed_datasets.created.tolist(), strict=True))
        # Nobody knows the age of those that are not listed: they may be proposed at any time.
        self._created = np.array([listed.get(name, -np.inf) for name in ids], np.float64)
        author = {name: place for place, name in enumerate(graph.authors)}
        self._author = np.array([author.get(name.rpartition("/")[0], -1) for name in ids], np.int64)
        uses = np.bincount(labels.values, minlength=len(ids))
        self._called = NameSearch(models, tokenize_names(ids, models.vocabulary), uses)
        self._by_age = np.lexsort((self._created, self._author))
        self._owners = self._author[self._by_age]

    def propose(self, rows: Integers, moments: Doubles) -> tuple[Integers, Integers]:
        """Return datasets that models' names speak of, and their authors' own: places in `rows`, and datasets."""
        places, found, alike = self._called.search(rows)
        score = alike + 0.1 * np.log1p(self._declared.count_before(found, moments[places]))
        kept = top_k_per_group(places, score.astype(np.float32), NAMED)
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

    def pair_features(self, models: Integers, datasets: Integers, moments: Doubles) -> Floats:
        """Return what a model's and a dataset's name have in common, shape (pairs, 10), named by `FEATURES`."""
        author = self._graph.author[models]
        years = (self._graph.created[models] - self._created[datasets]) / 365.25
        columns = (
            self._called.pair_features(models, datasets),
            (author == self._author[datasets]) & (author >= 0), np.where(np.isfinite(years), years, np.nan),
            self._called.log_namesakes[datasets], self._declared.count_before(datasets, moments) == 0,
        )  # fmt: skip
        return np.column_stack(columns).astype(np.float32)
