"""Which older models a name speaks of: candidates for a missing parent, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import OVERLAP_FEATURES, NameSearch, TokenizedNames, ranks, top_k_per_group
from gnn.dataset.temporal_counts import Events, PrefixCounter

NAMED, SIGNED = 40, 10
"""Models proposed for their names, and for owner and name, which some children name both."""
OWN = 16
"""Latest models of the same author that are proposed."""
LIKED, LATELY, WEEK = 10, 90, 7
"""Most liked models of so many days before a child's week that are proposed: nobody may have named them yet."""
FEATURES = (
    *OVERLAP_FEATURES,
    "parent's name is part of the child's", "length of the parent's name",
    *(f"owner and name: {name}" for name in OVERLAP_FEATURES), "same author", "years between",
    "parent is a copy", "child is a copy", "same name but for the copy", "parent is a placeholder",
    "namesakes of the parent", "parent has parents", "children of the parent's author", "likes of the parent",
    "downloads of the parent",
)  # fmt: skip


class ParentIndex:
    """Models by the words of their names.

    Likes and downloads are those of the newest snapshot, as they are when a model's parent is looked for: a parent is
    known by what it has become since, the child's own are not looked at.

    Args:
        graph: The graph.
        ids: Ids of its models.
        labels: Visible declarations of parents.
        models: Their names.
    """

    features = FEATURES

    def __init__(self, graph: Graph, ids: Sequence[str], labels: Events, models: TokenizedNames) -> None:
        self._graph = graph
        self._stems, self._copies = graph.name_keys.stem, graph.name_keys.is_copy
        self._children = PrefixCounter(labels, labels.values)
        self._by_author = PrefixCounter(labels, graph.author[labels.values])
        self._parents = PrefixCounter(labels, labels.rows)
        self._likes, self._downloads = np.log1p(graph.likes), np.log1p(graph.downloads)
        fame = self._fame(np.arange(len(ids)), np.full(len(ids), np.inf))
        self._called = NameSearch(models, models, fame)
        self._signed = NameSearch(models, models.with_owner(graph.authors, graph.author), fame)
        self._age = ranks(graph.created)
        self._own = np.sort(graph.author * len(ids) + self._age)
        self._by_age = np.argsort(self._age)
        self._weeks, self._liked = self._most_liked()

    def _fame(self, models: Integers, moments: Doubles) -> Doubles:
        """Return how well models were known as parents before the moments; whoever made many parents makes the next."""
        children = np.log1p(self._children.count_before(models, moments))
        renown = np.log1p(self._by_author.count_before(self._graph.author[models], moments))
        return np.asarray(children + 0.3 * renown + 0.5 * self._likes[models] + 0.15 * self._downloads[models])

    def propose(self, rows: Integers, moments: Doubles) -> tuple[Integers, Integers]:
        """Return older models that names speak of, the author's own, and what was liked: places in `rows`, models."""
        found = [self._named(self._called, NAMED, rows, moments), self._named(self._signed, SIGNED, rows, moments)]
        found += [self._latest(rows), self._trending(rows)]
        return np.concatenate([places for places, _ in found]), np.concatenate([models for _, models in found])

    def _named(self, called: NameSearch, most: int, rows: Integers, moments: Doubles) -> tuple[Integers, Integers]:
        created = self._graph.created
        places, found, alike = called.search(rows)
        older = (found != rows[places]) & (created[found] <= created[rows[places]])
        places, found, alike = places[older], found[older], alike[older]
        # On the months before the tested ones: names count most, fame tells between them.
        score = 3 * alike + 0.3 * self._fame(found, moments[places])
        kept = top_k_per_group(places, score.astype(np.float32), most)
        return places[kept], found[kept]

    def _latest(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return the latest older models of the same authors."""
        models = len(self._graph)
        author = self._graph.author[rows]
        at = np.searchsorted(self._own, author * models + self._age[rows])[:, None] - 1 - np.arange(OWN)
        keys = self._own[np.maximum(at, 0)]
        there = (at >= 0) & (author >= 0)[:, None] & (keys // models == author[:, None])
        return np.nonzero(there)[0], self._by_age[keys[there] % models]

    def _most_liked(self) -> tuple[Integers, Integers]:
        """Return weeks in which there are models, and the most liked of the days before each, -1 for none."""
        weeks = np.unique(self._week(np.arange(len(self._graph))))
        dates = self._graph.created[self._by_age]
        first, last = (np.searchsorted(dates, weeks * WEEK - days) for days in (LATELY, 0))
        liked = np.full((len(weeks), LIKED), -1, np.int64)
        for at, (start, stop) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
            found = self._by_age[start:stop]
            found = found[self._likes[found] > 0]
            top = found[np.argsort(-self._likes[found], kind="stable")[:LIKED]]
            liked[at, : len(top)] = top
        return weeks, liked

    def _week(self, rows: Integers) -> Integers:
        return (self._graph.created[rows] // WEEK).astype(np.int64)

    def _trending(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return what was liked most of the models made shortly before others."""
        liked = self._liked[np.searchsorted(self._weeks, self._week(rows))]
        return np.nonzero(liked >= 0)[0], liked[liked >= 0]

    def pair_features(self, children: Integers, parents: Integers, moments: Doubles) -> Floats:
        """Return what names have in common, and what was known of the parents before the moments.

        Returns:
            Shape (pairs, 21), named by `FEATURES`.
        """
        graph = self._graph
        columns = (
            self._called.pair_features(children, parents), self._signed.overlap_features(children, parents),
            (graph.author[children] == graph.author[parents]) & (graph.author[parents] >= 0),
            (graph.created[children] - graph.created[parents]) / 365.25,
            self._copies[parents], self._copies[children], self._stems[children] == self._stems[parents],
            graph.placeholder[parents], self._called.log_namesakes[parents],
            self._parents.count_before(parents, moments) > 0,
            np.log1p(self._by_author.count_before(graph.author[parents], moments)), self._likes[parents],
            self._downloads[parents],
        )  # fmt: skip
        return np.column_stack(columns).astype(np.float32)
