"""Which older models a name speaks of: candidates for a missing parent, without comparing all pairs."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np

from gnn.graph import Floats, Graph, Integers
from gnn.names import is_copy, stem, words

SAME_NAME = 3
"""Models of one name that are proposed, those with most children first."""
OWN = 8
"""Latest models of the same author that are proposed."""
POSTING = 24
"""Models kept of those that share two words in a row."""
LONGEST = 12
"""Words of a name that are looked up together."""
PAIR = (
    "words shared, of the child's", "words shared, of the parent's", "parent's name is part of the child's",
    "length of the parent's name", "same author", "years between", "parent is a copy", "child is a copy",
    "same name but for the copy", "parent was never seen", "namesakes of the parent", "parent has parents",
    "children of the parent's author",
)  # fmt: skip


class NameIndex:
    """Models by the words of their names.

    Args:
        graph: The graph.
        children: Number of visible children of each model, shape (n,).
    """

    def __init__(self, graph: Graph, children: Integers) -> None:
        self._graph = graph
        self._names = [identifier.rpartition("/")[2] for identifier in graph.ids]
        self._words = [words(name)[:LONGEST] for name in self._names]
        self._stems = [stem(name) for name in self._names]
        self._copies = np.array([is_copy(name) for name in self._names])
        self._rooted = graph.parents.counts > 0
        known = graph.author >= 0
        by_author = np.bincount(graph.author[known], children[known], minlength=len(graph.authors))
        self._renown = np.where(known, by_author[graph.author], 0.0)
        # Whoever made many parents makes the next: no popularity of today is looked at.
        order = np.lexsort((graph.created, -self._renown, -children))
        self._by_words: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_pair: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._by_stem: dict[str, list[int]] = defaultdict(list)
        for row in order.tolist():
            spelled = self._words[row]
            if spelled:
                self._by_words[spelled].append(row)
            self._by_stem[self._stems[row]].append(row)
            for pair in pairwise(spelled):
                if len(posting := self._by_pair[pair]) < POSTING:
                    posting.append(row)
        order = np.lexsort((np.arange(len(graph)), graph.created, graph.author))
        self._own = order[graph.author[order] >= 0]
        self._owners = graph.author[self._own]

    def proposals(self, rows: Integers) -> tuple[Integers, Integers]:
        """Return older models that names speak of: places in `rows`, and models."""
        places: list[int] = []
        found: list[int] = []
        for place, row in enumerate(rows.tolist()):
            seen = self._named(row)
            found.extend(seen)
            places.extend([place] * len(seen))
        return np.array(places, np.int64), np.array(found, np.int64)

    def _named(self, row: int) -> list[int]:
        created = self._graph.created
        seen: dict[int, None] = {}

        def add(models: list[int]) -> None:
            older = (model for model in models[: 8 * SAME_NAME] if model != row and created[model] <= created[row])
            for model, _ in zip(older, range(SAME_NAME), strict=False):
                seen[model] = None

        add(self._by_stem[self._stems[row]])
        parts = self._words[row]
        for start in range(len(parts)):
            for stop in range(start + 1, len(parts) + 1):
                if stop - start > 1 or len(parts[start]) > 2:
                    add(self._by_words.get(parts[start:stop], []))
        for pair in pairwise(parts):
            add(self._by_pair.get(pair, []))
        author = self._graph.author[row]
        if author >= 0:
            first, last = np.searchsorted(self._owners, (author, author + 1))
            mine = self._own[first:last]
            before = int(np.searchsorted(created[mine], created[row], side="right"))
            add([int(model) for model in mine[max(0, before - OWN - 1) : before]])
        return list(seen)

    def pairs(self, children: Integers, parents: Integers) -> Floats:
        """Return what two names have in common, shape (pairs, 13), named by `PAIR`."""
        graph = self._graph
        shared = np.empty((len(children), 4), np.float32)
        for place, (child, parent) in enumerate(zip(children.tolist(), parents.tolist(), strict=True)):
            ours, theirs = self._words[child], self._words[parent]
            common = len(set(ours) & set(theirs))
            inside = self._names[parent].lower() in self._names[child].lower()
            shared[place] = (common / (len(ours) or 1), common / (len(theirs) or 1), inside, len(self._names[parent]))
        stems = np.fromiter(
            (self._stems[a] == self._stems[b] for a, b in zip(children.tolist(), parents.tolist(), strict=True)),
            np.float32, len(children),
        )  # fmt: skip
        namesakes = np.fromiter(
            (len(self._by_words[self._words[b]]) for b in parents.tolist()), np.float32, len(parents)
        )
        rest = (
            (graph.author[children] == graph.author[parents]) & (graph.author[parents] >= 0),
            (graph.created[children] - graph.created[parents]) / 365.25,
            self._copies[parents],
            self._copies[children],
            stems,
            graph.placeholder[parents],
            np.log1p(namesakes),
            self._rooted[parents],
            np.log1p(self._renown[parents]),
        )
        return np.column_stack((shared, *rest)).astype(np.float32)
