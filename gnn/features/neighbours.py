"""Everything that speaks for a value: labelled neighbours for the network, counts by group for the trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from torch import from_numpy, topk

from atlas_db.columnar.graph import Column, Graph, threads
from atlas_db.core.arrays import Doubles, Flags, Floats, Integers, Ragged, distinct, ragged
from gnn.candidates import name_neighbours
from gnn.candidates.dataset_candidates import DatasetIndex
from gnn.candidates.inverted_index import OVERLAP, Shelf, Vocabulary, spelled
from gnn.candidates.name_neighbours import Alike, Votes
from gnn.candidates.parent_candidates import NameIndex
from gnn.dataset.grouping_keys import Group, groups
from gnn.dataset.hashed_tokens import BUCKETS, Known, told_words
from gnn.dataset.tasks import Task, hidden, lineage_shown, masks, values_of
from gnn.dataset.temporal_counts import COUNTS, WINDOW, History, labels

NEAR = {
    "author": 6, "siblings": 6, "parent says": 2, "second parent says": 1, "root says": 1, "author and parent": 3,
    "same name": 4, "author and name pattern": 3, "first words": 4, "author and first word": 3, "family": 3,
    "children": 2, "author of the parent": 2,
}  # fmt: skip
"""Labelled neighbours that the network sees, by what they have in common with the target."""
PROPOSE = (
    "author", "parent says", "second parent says", "siblings", "author and parent", "same name",
    "author and name pattern", "author and first word", "author and tags", "tags", "family", "children",
    "author and last word", "name pattern", "first words", "parent and last word",
)  # fmt: skip
EVERYWHERE = {False: 6, True: 20}
"""Values proposed for being frequent lately, of attributes that have one value and that may have several."""
FROM_NET = 5
"""Values proposed by the network."""
NET = ("log-probability", "best log-probability", "behind the best")
ECHO = ("author", "siblings", "same name", "author and name pattern", "author and parent", "first words")
"""Groups of whose models words are asked, whether these declare a value or not."""
SOME = 2048
"""Rows that are put side by side at once."""
CONTEXT = ("told", "lag", "parents")
INDEX: dict[str, type[NameIndex] | type[DatasetIndex]] = {"base_model": NameIndex, "datasets": DatasetIndex}
"""Attributes whose values are repositories, which names speak of."""


@dataclass(frozen=True, slots=True)
class Query:
    """Models to be completed.

    Attributes:
        rows: Models, shape (q,).
        moments: Declarations from then on are not seen, days since 1970, shape (q,).
        told: Whether what they state may be looked at, shape (q,).
    """

    rows: Integers
    moments: Doubles
    told: Flags

    def part(self, chosen: Integers | slice | Flags) -> Query:
        """Return some of them."""
        return Query(self.rows[chosen], self.moments[chosen], self.told[chosen])

    def __len__(self) -> int:
        return len(self.rows)


class Table(NamedTuple):
    """Candidates of each model in a query.

    Attributes:
        places: Place of the model in the query, ascending, shape (c,).
        values: Value proposed, shape (c,).
        features: Shape (c, features), named by `Around.features`.
    """

    places: Integers
    values: Integers
    features: Floats

    def only(self, kept: Flags) -> Table:
        """Return some of the candidates."""
        return Table(self.places[kept], self.values[kept], self.features[kept])


class Voice(NamedTuple):
    """What one model says of values.

    Attributes:
        scores: Log-probabilities, shape (q, its values).
        classes: Its number of each value, -1 for values it does not know.
    """

    scores: Floats
    classes: Integers

    def best(self, most: int) -> Integers:
        """Return its numbers of the likeliest values, in no order, shape (q, at most so many)."""
        most = min(most, self.scores.shape[1])
        return topk(from_numpy(self.scores), most, sorted=False).indices.numpy()

    def about(self, places: Integers, values: Integers) -> Floats:
        """Return the log-probability of each candidate, the best one's, and the distance between, shape (c, 3)."""
        if not self.scores.shape[1]:
            return np.full((len(places), len(NET)), np.nan, np.float32)
        known = self.classes[values]
        own = np.where(known >= 0, self.scores[places, known], np.nan)
        best = self.scores.max(1)[places]
        return np.column_stack((own, best, own - best)).astype(np.float32)


class Around:
    """What is around models, as far as it is visible.

    Args:
        graph: The graph.
        task: What is to be completed.
        known: Words of every model.
        visible: Models whose declarations may be seen, shape (n,).
    """

    def __init__(self, graph: Graph, task: Task, known: Known, visible: Flags) -> None:
        self.graph = graph
        self.task = task
        self.known = known
        self.column: Column = values_of(graph, task.attribute)
        self.labels = labels(self.column.held, graph.since, visible & ~graph.placeholder, len(self.column.names))
        unseen, masked = hidden(task.attribute), masks(graph, task.attribute)
        self.groups: dict[str, Group] = {group.name: group for group in groups(graph, unseen, masked["tags"])}
        self.told = told_words(graph, unseen, masked)
        self._histories: dict[str, History] = {}

    @cached_property
    def _named(self) -> tuple[NameIndex | DatasetIndex, Alike] | None:
        """Names of possible parents or datasets, and of models that declare them; other values are no repositories."""
        index = INDEX.get(self.task.attribute)
        if index is None:
            return None
        models = spelled(self.graph.ids, Vocabulary())
        return index(self.graph, self.column.names, self.labels, models), Alike(self.labels, models)

    @cached_property
    def _tags(self) -> Shelf | None:
        """What models state, of possible parents."""
        if self.task.attribute != "base_model":
            return None
        return Shelf(self.told, BUCKETS, np.arange(len(self.graph)))

    @cached_property
    def _witnessed(self) -> Ragged:
        """Parents that the weights speak for."""
        parents, kept = self.graph.parents, self.graph.witnessed
        return ragged(len(self.graph), parents.rows[kept], parents.values[kept])

    def _weights(self, children: Integers, parents: Integers) -> Floats:
        """Return 1 where the weights speak for an edge, else 0, shape (edges, 1).

        How sure the edge is may not be looked at: where an author declares it too, it is surer.
        """
        own = self._witnessed.some(children)
        out = np.zeros((len(children), 1), np.float32)
        out[own.rows[own.values == parents[own.rows]]] = 1
        return out

    @cached_property
    def _everyone(self) -> History:
        return History(self.labels, np.zeros(len(self.graph), np.int64))

    @property
    def features(self) -> list[str]:
        """Names of the features, in order; the network's come last."""
        kinds = ["everyone", *self.groups]
        index = INDEX.get(self.task.attribute)
        pair = () if index is None else (*index.features, *name_neighbours.FEATURES)
        if self.task.attribute == "base_model":
            pair = (*pair, *(f"stated by both: {name}" for name in OVERLAP), "weights")
        counted = (f"{kind}: {count}" for kind in kinds for count in COUNTS)
        heard = (f"{voice}: {name}" for voice in ("words", "network") for name in NET)
        echo = [f"words of: {name}" for name in ECHO]
        return [*counted, *pair, *CONTEXT, *echo, *heard]

    def numbers(self, values: Sequence[str]) -> Integers:
        """Return the place of each value of the graph in a list of values, -1 for those that are not in it."""
        known = {name: number for number, name in enumerate(values)}
        return np.array([known.get(name, -1) for name in self.column.names], np.int64)

    def says_something(self, query: Query) -> Flags:
        """Return which models of a query show more than id, date and lineage."""
        return np.asarray(query.told & (self.told.counts[query.rows] > 0))

    def counted(self, features: Floats) -> Iterator[tuple[str, float, int, int]]:
        """Yield what one candidate's features count: kind of group, smoothed share, how many of how many."""
        for place, kind in enumerate(["everyone", *self.groups]):
            share, count, size = features[place * len(COUNTS) : place * len(COUNTS) + 3]
            if np.isfinite(size):
                yield kind, float(share), round(float(np.expm1(count))), round(float(np.expm1(size)))

    def history(self, name: str) -> History:
        """Return the declarations by one kind of group."""
        if name not in self._histories:
            self._histories[name] = History(self.labels, self.groups[name].members)
        return self._histories[name]

    def asked(self, name: str, query: Query) -> Integers:
        """Return the group that each model of a query asks."""
        group = self.groups[name]
        asked = group.askers[query.rows]
        return asked if group.bare else np.where(query.told, asked, -1)

    def examples(self, query: Query, classes: Integers) -> Examples:
        """Return labelled neighbours of models.

        Args:
            query: The models.
            classes: The network's number of each value, -1 for values it does not know.
        """
        near = [
            self.history(name).latest(self.asked(name, query), query.moments, most)
            for name, most in NEAR.items() if name in self.groups
        ]  # fmt: skip
        kinds = np.repeat(np.arange(len(near)), [part.shape[1] for part in near])
        ranks = np.concatenate(near, 1)
        ranks = np.where((ranks >= 0) & (classes[self.labels.values[ranks]] >= 0), ranks, -1)
        ages = np.clip((self.graph.since[query.rows][:, None] - self.labels.times[ranks]) / 365.25, 0, 3)
        return Examples(
            query.rows,
            query.told,
            np.where(ranks >= 0, self.labels.rows[ranks], -1),
            np.where(ranks >= 0, classes[self.labels.values[ranks]], 0),
            np.where(ranks >= 0, ages, 0).astype(np.float32),
            kinds,
        )

    def table(self, query: Query, network: Voice, words: Voice, echo: Callable[[Integers, Integers], Floats]) -> Table:
        """Return candidates with what speaks for them.

        Args:
            query: The models.
            network: What the network says.
            words: What words alone say.
            echo: Says of candidates, given as places and values, what words say of the models' kin.
        """
        moments, dates = query.moments, self.graph.since[query.rows]
        votes = None if self._named is None else self._named[1].votes(query.rows, moments)
        places, values = self._candidates(query, network, votes)
        nothing = np.zeros(len(places), np.int64)
        parts = [self._everyone.counts(nothing, values, moments[places], dates[places])]

        def counted(name: str) -> Floats:
            asked = self.asked(name, query)[places]
            return self.history(name).counts(asked, values, moments[places], dates[places])

        # Sorting and searching let go of the interpreter: each core takes a kind of group.
        with ThreadPoolExecutor(threads()) as cores:
            parts += cores.map(counted, self.groups)
        parts += self._repositories(query, places, values, votes)
        shown = lineage_shown(self.task.attribute)
        parents = self.graph.parents.counts[query.rows] if shown else np.zeros(len(query))
        context = np.column_stack((self.says_something(query), dates - moments, parents))[places]
        parts += [context.astype(np.float32), echo(places, values), words.about(places, values)]
        return Table(places, values, beside([*parts, network.about(places, values)]))

    def _repositories(self, query: Query, places: Integers, values: Integers, votes: Votes | None) -> list[Floats]:
        """Return what speaks for candidates that are repositories: names, what both state, weights."""
        if self._named is None or votes is None:
            return []
        pairs = self._named[0].pairs(query.rows[places], values, query.moments[places])
        parts = [pairs, votes.about(places, values, self.labels.size)]
        if self._tags is not None:
            stated_by = self.told.some(np.where(query.told, query.rows, -1))
            parts += [self._tags.overlap(stated_by, places, values), self._weights(query.rows[places], values)]
        return parts

    def _candidates(self, query: Query, network: Voice, votes: Votes | None) -> tuple[Integers, Integers]:
        found = [
            self.history(name).proposals(self.asked(name, query), query.moments)
            for name in PROPOSE
            if name in self.groups
        ]
        size = self.labels.size
        lately = self.labels.values[self.labels.times >= self.labels.times[-1] - 2 * WINDOW]
        counts = np.bincount(lately, minlength=size)
        frequent = np.argsort(-counts, kind="stable")[: min(EVERYWHERE[self.task.many], int((counts > 0).sum()))]
        known = np.flatnonzero(network.classes >= 0)
        back = np.empty(len(known), np.int64)
        back[network.classes[known]] = known
        best = back[network.best(FROM_NET)]
        found += [
            (np.repeat(np.arange(len(query)), proposed.shape[1]), proposed.reshape(-1))
            for proposed in (np.tile(frequent, (len(query), 1)), best)
        ]
        if self._named is not None and votes is not None:
            found += [self._named[0].proposals(query.rows, query.moments), votes[:2]]
        if self.task.attribute == "base_model":
            own = self._witnessed.some(query.rows)
            found.append((own.rows, own.values))
        keys = distinct(np.concatenate([p * size + v for p, v in found]))
        places, values = keys // size, keys % size
        if self.task.attribute == "base_model":
            asked = query.rows[places]
            older = (values != asked) & (self.graph.created[values] <= self.graph.created[asked])
            places, values = places[older], values[older]
        return places, values


def beside(parts: Sequence[Floats]) -> Floats:
    """Return columns side by side, some thousand rows at a time: rows of them all are then in the core's own memory."""
    out = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), np.float32)
    for start in range(0, len(out), SOME):
        some = slice(start, start + SOME)
        np.concatenate([part[some] for part in parts], 1, out=out[some])
    return out


@dataclass(frozen=True, slots=True)
class Examples:
    """Targets with their neighbours.

    Attributes:
        rows: Model of each target, shape (q,).
        told: Whether what it states may be looked at, shape (q,).
        near: Model of each neighbour, -1 for none, shape (q, k).
        labels: What each neighbour declares, shape (q, k).
        ages: Years from neighbour to target, shape (q, k).
        kinds: Kind of relation of each column, shape (k,).
    """

    rows: Integers
    told: np.ndarray[tuple[int], np.dtype[np.bool_]]
    near: Integers
    labels: Integers
    ages: Floats
    kinds: Integers

    def __len__(self) -> int:
        return len(self.rows)
