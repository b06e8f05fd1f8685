"""Candidate parents of models: older models by name, by author and by recent likes, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import OVERLAP_FEATURES, NameSearch, TokenizedNames, ranks, top_k_per_group
from gnn.dataset.temporal_counts import Events, PrefixCounter
from gnn.parameters.candidate_parameters import CANDIDATE

DAYS_PER_WEEK = 7
FEATURES = (
    *OVERLAP_FEATURES,
    "parent's name is part of the child's", "length of the parent's name",
    *(f"owner and name: {name}" for name in OVERLAP_FEATURES), "same author", "years between",
    "parent is a copy", "child is a copy", "same name but for the copy", "parent is a placeholder",
    "namesakes of the parent", "parent has parents", "children of the parent's author", "likes of the parent",
    "downloads of the parent",
)  # fmt: skip


class ParentIndex:
    """Possible parents by the terms of their names, and by their authors and likes.

    Likes and downloads are those of the newest snapshot, as they are known when a parent is looked for. Those of the
    child are not used.

    Args:
        graph: The graph.
        ids: Ids of its models.
        events: Visible declarations of parents.
        models: Names of its models.
    """

    features = FEATURES

    def __init__(self, graph: Graph, ids: Sequence[str], events: Events, models: TokenizedNames) -> None:
        self._graph = graph
        self._stems, self._is_copy = graph.name_keys.stem, graph.name_keys.is_copy
        self._children = PrefixCounter(events, events.values)
        self._children_of_author = PrefixCounter(events, graph.author[events.values])
        self._parents = PrefixCounter(events, events.rows)
        self._log_likes, self._log_downloads = np.log1p(graph.likes), np.log1p(graph.downloads)
        final_score = self._static_score(np.arange(len(ids)), np.full(len(ids), np.inf))
        self._by_name = NameSearch(models, models, final_score)
        self._by_owner_and_name = NameSearch(models, models.with_owner(graph.authors, graph.author), final_score)
        self._age_rank = ranks(graph.created)
        self._author_and_age = np.sort(graph.author * len(ids) + self._age_rank)
        self._by_age = np.argsort(self._age_rank)
        self._weeks, self._most_liked = self._most_liked_by_week()

    def _static_score(self, models: Integers, cutoffs: Doubles) -> Doubles:
        """Return how well known models are as parents, shape (n,): log-counts of children, likes and downloads.

        Children are counted before the cutoffs. The author's children count, too: an author of many parents is likely
        to make the next one.
        """
        children = np.log1p(self._children.count_before(models, cutoffs))
        author_children = np.log1p(self._children_of_author.count_before(self._graph.author[models], cutoffs))
        return np.asarray(
            children
            + CANDIDATE.author_weight * author_children
            + CANDIDATE.likes_weight * self._log_likes[models]
            + CANDIDATE.downloads_weight * self._log_downloads[models]
        )

    def propose(self, rows: Integers, cutoffs: Doubles) -> tuple[Integers, Integers]:
        """Return candidate parents: by name, by owner and name, of the same author, and most liked of late.

        Args:
            rows: Models, shape (q,).
            cutoffs: Days since 1970, shape (q,).

        Returns:
            Index into `rows`, and candidate, shape (c,) each.
        """
        found = [
            self._search(self._by_name, CANDIDATE.parents_by_name, rows, cutoffs),
            self._search(self._by_owner_and_name, CANDIDATE.parents_by_owner_and_name, rows, cutoffs),
            self._latest_by_author(rows),
            self._trending(rows),
        ]
        return np.concatenate([index for index, _ in found]), np.concatenate([models for _, models in found])

    def _search(self, names: NameSearch, k: int, rows: Integers, cutoffs: Doubles) -> tuple[Integers, Integers]:
        """Return the k best older models by a weighted sum of similarity and static score."""
        created = self._graph.created
        query_index, found, similarity = names.search(rows)
        is_older = (found != rows[query_index]) & (created[found] <= created[rows[query_index]])
        query_index, found, similarity = query_index[is_older], found[is_older], similarity[is_older]
        static_score = self._static_score(found, cutoffs[query_index])
        score = CANDIDATE.similarity_weight * similarity + CANDIDATE.static_weight * static_score
        kept = top_k_per_group(query_index, score.astype(np.float32), k)
        return query_index[kept], found[kept]

    def _latest_by_author(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return the latest older models of the same authors: index into `rows`, and model."""
        models = len(self._graph)
        author = self._graph.author[rows]
        own_position = np.searchsorted(self._author_and_age, author * models + self._age_rank[rows])
        position = own_position[:, None] - 1 - np.arange(CANDIDATE.parents_by_author)
        keys = self._author_and_age[np.maximum(position, 0)]
        exists = (position >= 0) & (author >= 0)[:, None] & (keys // models == author[:, None])
        return np.nonzero(exists)[0], self._by_age[keys[exists] % models]

    def _most_liked_by_week(self) -> tuple[Integers, Integers]:
        """Return the weeks with models, shape (w,), and the most liked models before each week.

        The second array has shape (w, `CANDIDATE.trending_parents`), with -1 for none.
        """
        weeks = np.unique(self._week(np.arange(len(self._graph))))
        dates = self._graph.created[self._by_age]
        first, last = (np.searchsorted(dates, weeks * DAYS_PER_WEEK - days) for days in (CANDIDATE.trending_days, 0))
        most_liked = np.full((len(weeks), CANDIDATE.trending_parents), -1, np.int64)
        for week, (start, stop) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            found = self._by_age[start:stop]
            found = found[self._log_likes[found] > 0]
            top = found[np.argsort(-self._log_likes[found], kind="stable")[: CANDIDATE.trending_parents]]
            most_liked[week, : len(top)] = top
        return weeks, most_liked

    def _week(self, rows: Integers) -> Integers:
        return (self._graph.created[rows] // DAYS_PER_WEEK).astype(np.int64)

    def _trending(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return the most liked models created shortly before each model: index into `rows`, and model.

        They are candidates because a new popular model has no declared children yet.
        """
        liked = self._most_liked[np.searchsorted(self._weeks, self._week(rows))]
        return np.nonzero(liked >= 0)[0], liked[liked >= 0]

    def pair_features(self, children: Integers, parents: Integers, cutoffs: Doubles) -> Floats:
        """Return features of pairs of a child and a candidate parent, shape (p, 21), named by `FEATURES`.

        Args:
            children: Child of each pair, shape (p,).
            parents: Candidate of each pair, shape (p,).
            cutoffs: Declarations are counted before this time, days since 1970, shape (p,).
        """
        graph = self._graph
        columns = (
            self._by_name.pair_features(children, parents), self._by_owner_and_name.overlap_features(children, parents),
            (graph.author[children] == graph.author[parents]) & (graph.author[parents] >= 0),
            (graph.created[children] - graph.created[parents]) / 365.25,
            self._is_copy[parents], self._is_copy[children], self._stems[children] == self._stems[parents],
            graph.placeholder[parents], self._by_name.log_namesakes[parents],
            self._parents.count_before(parents, cutoffs) > 0,
            np.log1p(self._children_of_author.count_before(graph.author[parents], cutoffs)), self._log_likes[parents],
            self._log_downloads[parents],
        )  # fmt: skip
        return np.column_stack(columns).astype(np.float32)
