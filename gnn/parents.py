"""Which older models a name speaks of: candidates for a missing parent, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnn.graph import Doubles, Floats, Graph, Integers, Ragged
from gnn.groups import number
from gnn.history import Labels, Tally
from gnn.names import stem
from gnn.shelf import OVERLAP, Shelf, Vocabulary, best

NAMED = 40
"""Models proposed for their names."""
OWN = 8
"""Latest models of the same author that are proposed."""
FEATURES = (
    *OVERLAP,
    "parent's name is part of the child's", "length of the parent's name", "same author", "years between",
    "parent is a copy", "child is a copy", "same name but for the copy", "parent was never seen",
    "namesakes of the parent", "parent has parents", "children of the parent's author", "likes of the parent",
    "downloads of the parent",
)  # fmt: skip


class NameIndex:
    """Models by the words of their names.

    Likes and downloads are those of the newest snapshot, as they are when a model's parent is looked for: a parent is
    known by what it has become since, the child's own are not looked at.

    Args:
        graph: The graph.
        ids: Ids of its models.
        labels: Visible declarations of parents.
        vocabulary: Words of models' names.
        spelled: Words of each model's name.
    """

    features = FEATURES

    def __init__(
        self, graph: Graph, ids: Sequence[str], labels: Labels, vocabulary: Vocabulary, spelled: Ragged
    ) -> None:
        self._graph = graph
        names = [identifier.rpartition("/")[2].lower() for identifier in ids]
        self._names = names
        stems = [stem(name) for name in names]
        self._stems = number(stems)
        self._copies = np.array([short != name for short, name in zip(stems, names, strict=True)], bool)
        same = number(names)
        self._namesakes = np.log1p(np.bincount(same)[same])
        self._children = Tally(labels, labels.values)
        self._by_author = Tally(labels, graph.author[labels.values])
        self._parents = Tally(labels, labels.rows)
        self._likes, self._downloads = np.log1p(graph.likes), np.log1p(graph.downloads)
        fame = self._fame(np.arange(len(names)), np.full(len(names), np.inf))
        order = np.empty(len(names), np.int64)
        order[np.argsort(-fame, kind="stable")] = np.arange(len(names))
        self._spelled = spelled
        self._shelf = Shelf(spelled, len(vocabulary), order)
        self._age = np.empty(len(names), np.int64)
        self._age[np.argsort(graph.created, kind="stable")] = np.arange(len(names))
        self._own = np.sort(graph.author * len(names) + self._age)
        self._by_age = np.argsort(self._age)

    def _fame(self, models: Integers, moments: Doubles) -> Doubles:
        """Return how well models were known as parents before the moments; whoever made many parents makes the next."""
        children = np.log1p(self._children.before(models, moments))
        renown = np.log1p(self._by_author.before(self._graph.author[models], moments))
        return np.asarray(children + 0.3 * renown + 0.5 * self._likes[models] + 0.15 * self._downloads[models])

    def proposals(self, rows: Integers, moments: Doubles) -> tuple[Integers, Integers]:
        """Return older models that names speak of: places in `rows`, and models."""
        created = self._graph.created
        places, found, shared = self._shelf.find(self._spelled.some(rows))
        older = (found != rows[places]) & (created[found] <= created[rows[places]])
        places, found, shared = places[older], found[older], shared[older]
        # On the months before the tested ones: names count most, fame tells between them.
        score = 3 * np.log1p(shared / np.sqrt(self._shelf.length[found])) + 0.3 * self._fame(found, moments[places])
        kept = best(places, score.astype(np.float32), NAMED)
        owners, own = self._latest(rows)
        return np.concatenate((places[kept], owners)), np.concatenate((found[kept], own))

    def _latest(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return the latest older models of the same authors."""
        number = len(self._names)
        author = self._graph.author[rows]
        at = np.searchsorted(self._own, author * number + self._age[rows])[:, None] - 1 - np.arange(OWN)
        keys = self._own[np.maximum(at, 0)]
        there = (at >= 0) & (author >= 0)[:, None] & (keys // number == author[:, None])
        return np.nonzero(there)[0], self._by_age[keys[there] % number]

    def pairs(self, children: Integers, parents: Integers, moments: Doubles) -> Floats:
        """Return what names have in common, and what was known of the parents before the moments.

        Returns:
            Shape (pairs, 17), named by `FEATURES`.
        """
        graph = self._graph
        asked, at = np.unique(children, return_inverse=True)
        overlap = self._shelf.overlap(self._spelled.some(asked), at, parents)
        inside = np.fromiter(
            (self._names[b] in self._names[a] for a, b in zip(children.tolist(), parents.tolist(), strict=True)),
            np.float32, len(children),
        )  # fmt: skip
        sizes = np.fromiter((len(self._names[b]) for b in parents.tolist()), np.float32, len(parents))
        columns = (
            overlap, inside, sizes,
            (graph.author[children] == graph.author[parents]) & (graph.author[parents] >= 0),
            (graph.created[children] - graph.created[parents]) / 365.25,
            self._copies[parents], self._copies[children], self._stems[children] == self._stems[parents],
            graph.placeholder[parents], self._namesakes[parents], self._parents.before(parents, moments) > 0,
            np.log1p(self._by_author.before(graph.author[parents], moments)), self._likes[parents],
            self._downloads[parents],
        )  # fmt: skip
        return np.column_stack(columns).astype(np.float32)
