"""Candidate datasets by name and author, from the declared datasets and those that the Hub lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import OVERLAP_FEATURES, NameSearch, TokenizedNames, tokenize_names, top_k_per_group
from gnn.dataset.temporal_counts import Events, PrefixCounter
from gnn.parameters.candidate_parameters import CANDIDATE

FEATURES = (
    *OVERLAP_FEATURES,
    "dataset's name is part of the model's", "length of the dataset's name", "same author", "years since the dataset",
    "datasets of that name", "not yet declared",
)  # fmt: skip


class DatasetIndex:
    """Datasets by the terms of their names, and by their authors.

    Args:
        graph: The graph with the listed datasets and their dates.
        ids: Ids of datasets.
        events: Visible declarations of datasets.
        models: Names of models.
    """

    features = FEATURES

    def __init__(self, graph: Graph, ids: Sequence[str], events: Events, models: TokenizedNames) -> None:
        self._graph = graph
        self._declarations = PrefixCounter(events, events.values)
        listed = dict(zip(graph.listed_datasets.names, graph.listed_datasets.created.tolist(), strict=True))
        # The age of an unlisted dataset is unknown: it may be proposed at any time.
        self._created = np.array([listed.get(name, -np.inf) for name in ids], np.float64)
        author_number = {name: number for number, name in enumerate(graph.authors)}
        self._author = np.array([author_number.get(name.rpartition("/")[0], -1) for name in ids], np.int64)
        uses = np.bincount(events.values, minlength=len(ids))
        self._by_name = NameSearch(models, tokenize_names(ids, models.vocabulary), uses)
        self._by_author_and_age = np.lexsort((self._created, self._author))
        self._sorted_authors = self._author[self._by_author_and_age]

    def propose(self, rows: Integers, cutoffs: Doubles) -> tuple[Integers, Integers]:
        """Return candidate datasets with similar names or of the same author, not younger than the model.

        Args:
            rows: Models, shape (q,).
            cutoffs: Days since 1970, shape (q,).

        Returns:
            Index into `rows`, and dataset, shape (c,) each.
        """
        query_index, found, similarity = self._by_name.search(rows)
        uses = self._declarations.count_before(found, cutoffs[query_index])
        score = similarity + CANDIDATE.dataset_use_weight * np.log1p(uses)
        kept = top_k_per_group(query_index, score.astype(np.float32), CANDIDATE.datasets_by_name)
        author_index, same_author = self._latest_by_author(rows)
        query_index = np.concatenate((query_index[kept], author_index))
        found = np.concatenate((found[kept], same_author))
        is_older = self._created[found] <= self._graph.created[rows[query_index]]
        return query_index[is_older], found[is_older]

    def _latest_by_author(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return the latest datasets of the models' authors: index into `rows`, and dataset."""
        author = self._graph.author[rows]
        last = np.searchsorted(self._sorted_authors, author, side="right")
        position = last[:, None] - 1 - np.arange(CANDIDATE.datasets_by_author)
        same_author = self._sorted_authors[np.maximum(position, 0)] == author[:, None]
        exists = (position >= 0) & (author >= 0)[:, None] & same_author
        return np.nonzero(exists)[0], self._by_author_and_age[position[exists]]

    def pair_features(self, models: Integers, datasets: Integers, cutoffs: Doubles) -> Floats:
        """Return features of pairs of a model and a dataset, shape (p, 10), named by `FEATURES`.

        Args:
            models: Model of each pair, shape (p,).
            datasets: Dataset of each pair, shape (p,).
            cutoffs: Days since 1970, shape (p,).
        """
        author = self._graph.author[models]
        years = (self._graph.created[models] - self._created[datasets]) / 365.25
        columns = (
            self._by_name.pair_features(models, datasets),
            (author == self._author[datasets]) & (author >= 0), np.where(np.isfinite(years), years, np.nan),
            self._by_name.log_namesakes[datasets], self._declarations.count_before(datasets, cutoffs) == 0,
        )  # fmt: skip
        return np.column_stack(columns).astype(np.float32)
