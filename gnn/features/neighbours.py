"""Everything that speaks for a value: labelled neighbours for the network, counts by group for the trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from torch import from_numpy, topk

from atlas_db.columnar.graph import Column, Graph
from atlas_db.core.arrays import CsrLists, Doubles, Flags, Floats, Integers, csr_lists, unique_sorted
from atlas_db.core.cpu import available_cores
from gnn.candidates import name_neighbours
from gnn.candidates.dataset_candidates import DatasetIndex
from gnn.candidates.inverted_index import OVERLAP_FEATURES, InvertedIndex, Vocabulary, tokenize_names
from gnn.candidates.name_neighbours import KnnVotes, NameKNN
from gnn.candidates.parent_candidates import ParentIndex
from gnn.dataset.grouping_keys import Grouping, groupings
from gnn.dataset.hashed_tokens import BUCKETS, TokenTable, metadata_tokens
from gnn.dataset.tasks import Task, leakage_masks, masked_attributes, target_column, uses_lineage
from gnn.dataset.temporal_counts import COUNT_FEATURES, WINDOW, PointInTimeCounts, declaration_events

NUM_NEIGHBOURS = {
    "author": 6, "siblings": 6, "parent's label": 2, "second parent's label": 1, "root's label": 1,
    "author and parent": 3, "same name": 4, "author and name pattern": 3, "first two tokens": 4,
    "author and first token": 3, "family": 3, "children": 2, "author of the parent": 2,
}  # fmt: skip
"""Labelled neighbours that the network sees, by what they have in common with the target."""
PROPOSING_GROUPS = (
    "author", "parent's label", "second parent's label", "siblings", "author and parent", "same name",
    "author and name pattern", "author and first token", "author and tags", "tags", "family", "children",
    "author and last token", "name pattern", "first two tokens", "parent and last token",
)  # fmt: skip
GLOBAL_TOP_K = {False: 6, True: 20}
"""Values proposed for being frequent lately, of attributes that have one value and that may have several."""
NETWORK_TOP_K = 5
"""Values proposed by the network."""
CLASS_SCORE_FEATURES = ("log-probability", "highest log-probability", "gap to the highest")
SMOOTHED_GROUPS = (
    "author",
    "siblings",
    "same name",
    "author and name pattern",
    "author and parent",
    "first two tokens",
)
"""Groups of whose models words are asked, whether these declare a value or not."""
SOME = 2048
"""Rows that are put side by side at once."""
CONTEXT_FEATURES = ("has metadata", "observation lag", "parents")
INDEX: dict[str, type[ParentIndex] | type[DatasetIndex]] = {"base_model": ParentIndex, "datasets": DatasetIndex}
"""Attributes whose values are repositories, which names speak of."""


@dataclass(frozen=True, slots=True)
class CompletionQuery:
    """Models to be completed.

    Attributes:
        rows: Models, shape (q,).
        moments: Declarations from then on are not seen, days since 1970, shape (q,).
        told: Whether what they state may be looked at, shape (q,).
    """

    rows: Integers
    cutoffs: Doubles
    metadata_visible: Flags

    def subset(self, chosen: Integers | slice | Flags) -> CompletionQuery:
        """Return some of them."""
        return CompletionQuery(self.rows[chosen], self.cutoffs[chosen], self.metadata_visible[chosen])

    @classmethod
    def concat(cls, parts: Sequence[CompletionQuery]) -> CompletionQuery:
        """Return several queries as one."""
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.cutoffs for part in parts]),
            np.concatenate([part.metadata_visible for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.rows)


class CandidateTable(NamedTuple):
    """Candidates of each model in a query.

    Attributes:
        places: Place of the model in the query, ascending, shape (c,).
        values: Value proposed, shape (c,).
        features: Shape (c, features), named by `Around.features`.
    """

    query_index: Integers
    values: Integers
    features: Floats

    def filter(self, kept: Flags) -> CandidateTable:
        """Return some of the candidates."""
        return CandidateTable(self.query_index[kept], self.values[kept], self.features[kept])


class ClassScores(NamedTuple):
    """What one model says of values.

    Attributes:
        scores: Log-probabilities, shape (q, its values).
        classes: Its number of each value, -1 for values it does not know.
    """

    log_probabilities: Floats
    class_of_value: Integers

    def top_k(self, most: int) -> Integers:
        """Return its numbers of the likeliest values, in no order, shape (q, at most so many)."""
        most = min(most, self.log_probabilities.shape[1])
        return topk(from_numpy(self.log_probabilities), most, sorted=False).indices.numpy()

    def features_of(self, places: Integers, values: Integers) -> Floats:
        """Return the log-probability of each candidate, the best one's, and the distance between, shape (c, 3)."""
        if not self.log_probabilities.shape[1]:
            return np.full((len(places), len(CLASS_SCORE_FEATURES)), np.nan, np.float32)
        known = self.class_of_value[values]
        own = np.where(known >= 0, self.log_probabilities[places, known], np.nan)
        best = self.log_probabilities.max(1)[places]
        return np.column_stack((own, best, own - best)).astype(np.float32)


class Neighbourhood:
    """What is around models, as far as it is visible.

    Args:
        graph: The graph.
        task: What is to be completed.
        known: Words of every model.
        visible: Models whose declarations may be seen, shape (n,).
    """

    def __init__(self, graph: Graph, task: Task, known: TokenTable, visible: Flags) -> None:
        self.graph = graph
        self.task = task
        self.token_table = known
        self.column: Column = target_column(graph, task.attribute)
        self.events = declaration_events(
            self.column.codes, graph.event_time, visible & ~graph.placeholder, len(self.column.categories)
        )
        unseen, masked = masked_attributes(task.attribute), leakage_masks(graph, task.attribute)
        self.groupings: dict[str, Grouping] = {group.name: group for group in groupings(graph, unseen, masked["tags"])}
        self.metadata_tokens = metadata_tokens(graph, unseen, masked)
        self._histories: dict[str, PointInTimeCounts] = {}

    @cached_property
    def _named(self) -> tuple[ParentIndex | DatasetIndex, NameKNN] | None:
        """Names of possible parents or datasets, and of models that declare them; other values are no repositories."""
        index = INDEX.get(self.task.attribute)
        if index is None:
            return None
        models = tokenize_names(self.graph.ids, Vocabulary())
        return index(self.graph, self.column.categories, self.events, models), NameKNN(self.events, models)

    @cached_property
    def _tags(self) -> InvertedIndex | None:
        """What models state, of possible parents."""
        if self.task.attribute != "base_model":
            return None
        return InvertedIndex(self.metadata_tokens, BUCKETS, np.arange(len(self.graph)))

    @cached_property
    def _witnessed(self) -> CsrLists:
        """Parents that the weights speak for."""
        parents, kept = self.graph.parents, self.graph.inferred
        return csr_lists(len(self.graph), parents.rows[kept], parents.values[kept])

    def _weights(self, children: Integers, parents: Integers) -> Floats:
        """Return 1 where the weights speak for an edge, else 0, shape (edges, 1).

        How sure the edge is may not be looked at: where an author declares it too, it is surer.
        """
        own = self._witnessed.take(children)
        out = np.zeros((len(children), 1), np.float32)
        out[own.rows[own.values == parents[own.rows]]] = 1
        return out

    @cached_property
    def _everyone(self) -> PointInTimeCounts:
        return PointInTimeCounts(self.events, np.zeros(len(self.graph), np.int64))

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in order; the network's come last."""
        kinds = ["all models", *self.groupings]
        index = INDEX.get(self.task.attribute)
        pair = () if index is None else (*index.features, *name_neighbours.FEATURES)
        if self.task.attribute == "base_model":
            pair = (*pair, *(f"metadata tokens: {name}" for name in OVERLAP_FEATURES), "inferred from weights")
        counted = (f"{kind}: {count}" for kind in kinds for count in COUNT_FEATURES)
        heard = (f"{voice}: {name}" for voice in ("bag of words", "network") for name in CLASS_SCORE_FEATURES)
        echo = [f"smoothed bag of words: {name}" for name in SMOOTHED_GROUPS]
        return [*counted, *pair, *CONTEXT_FEATURES, *echo, *heard]

    def value_positions(self, values: Sequence[str]) -> Integers:
        """Return the place of each value of the graph in a list of values, -1 for those that are not in it."""
        known = {name: number for number, name in enumerate(values)}
        return np.array([known.get(name, -1) for name in self.column.categories], np.int64)

    def has_metadata(self, query: CompletionQuery) -> Flags:
        """Return which models of a query show more than id, date and lineage."""
        return np.asarray(query.metadata_visible & (self.metadata_tokens.counts[query.rows] > 0))

    def group_counts(self, features: Floats) -> Iterator[tuple[str, float, int, int]]:
        """Yield what one candidate's features count: kind of group, smoothed share, how many of how many."""
        for place, kind in enumerate(["all models", *self.groupings]):
            share, count, size = features[place * len(COUNT_FEATURES) : place * len(COUNT_FEATURES) + 3]
            if np.isfinite(size):
                yield kind, float(share), round(float(np.expm1(count))), round(float(np.expm1(size)))

    def counts_by(self, name: str) -> PointInTimeCounts:
        """Return the declarations by one kind of group."""
        if name not in self._histories:
            self._histories[name] = PointInTimeCounts(self.events, self.groupings[name].member_key)
        return self._histories[name]

    def group_of(self, name: str, query: CompletionQuery) -> Integers:
        """Return the group that each model of a query asks."""
        group = self.groupings[name]
        asked = group.query_key[query.rows]
        return asked if group.cold_start else np.where(query.metadata_visible, asked, -1)

    def sample_neighbours(self, query: CompletionQuery, classes: Integers) -> NeighbourSample:
        """Return labelled neighbours of models.

        Args:
            query: The models.
            classes: The network's number of each value, -1 for values it does not know.
        """
        near = [
            self.counts_by(name).last_k(self.group_of(name, query), query.cutoffs, most)
            for name, most in NUM_NEIGHBOURS.items() if name in self.groupings
        ]  # fmt: skip
        kinds = np.repeat(np.arange(len(near)), [part.shape[1] for part in near])
        ranks = np.concatenate(near, 1)
        ranks = np.where((ranks >= 0) & (classes[self.events.values[ranks]] >= 0), ranks, -1)
        ages = np.clip((self.graph.event_time[query.rows][:, None] - self.events.times[ranks]) / 365.25, 0, 3)
        return NeighbourSample(
            query.rows,
            query.metadata_visible,
            np.where(ranks >= 0, self.events.rows[ranks], -1),
            np.where(ranks >= 0, classes[self.events.values[ranks]], 0),
            np.where(ranks >= 0, ages, 0).astype(np.float32),
            kinds,
        )

    def candidate_table(
        self,
        query: CompletionQuery,
        network: ClassScores,
        words: ClassScores,
        echo: Callable[[Integers, Integers], Floats],
    ) -> CandidateTable:
        """Return candidates with what speaks for them.

        Args:
            query: The models.
            network: What the network says.
            words: What words alone say.
            echo: Says of candidates, given as places and values, what words say of the models' kin.
        """
        moments, dates = query.cutoffs, self.graph.event_time[query.rows]
        votes = None if self._named is None else self._named[1].votes(query.rows, moments)
        places, values = self._candidates(query, network, votes)
        nothing = np.zeros(len(places), np.int64)
        parts = [self._everyone.count_features(nothing, values, moments[places], dates[places])]

        def counted(name: str) -> Floats:
            asked = self.group_of(name, query)[places]
            return self.counts_by(name).count_features(asked, values, moments[places], dates[places])

        # Sorting and searching let go of the interpreter: each core takes a kind of group.
        with ThreadPoolExecutor(available_cores()) as cores:
            parts += cores.map(counted, self.groupings)
        parts += self._repositories(query, places, values, votes)
        shown = uses_lineage(self.task.attribute)
        parents = self.graph.parents.counts[query.rows] if shown else np.zeros(len(query))
        context = np.column_stack((self.has_metadata(query), dates - moments, parents))[places]
        parts += [context.astype(np.float32), echo(places, values), words.features_of(places, values)]
        return CandidateTable(places, values, hstack_in_blocks([*parts, network.features_of(places, values)]))

    def _repositories(
        self, query: CompletionQuery, places: Integers, values: Integers, votes: KnnVotes | None
    ) -> list[Floats]:
        """Return what speaks for candidates that are repositories: names, what both state, weights."""
        if self._named is None or votes is None:
            return []
        pairs = self._named[0].pair_features(query.rows[places], values, query.cutoffs[places])
        parts = [pairs, votes.features_of(places, values, self.events.num_values)]
        if self._tags is not None:
            stated_by = self.metadata_tokens.take(np.where(query.metadata_visible, query.rows, -1))
            parts += [self._tags.overlap_features(stated_by, places, values), self._weights(query.rows[places], values)]
        return parts

    def _candidates(
        self, query: CompletionQuery, network: ClassScores, votes: KnnVotes | None
    ) -> tuple[Integers, Integers]:
        found = [
            self.counts_by(name).most_frequent(self.group_of(name, query), query.cutoffs)
            for name in PROPOSING_GROUPS
            if name in self.groupings
        ]
        size = self.events.num_values
        lately = self.events.values[self.events.times >= self.events.times[-1] - 2 * WINDOW]
        counts = np.bincount(lately, minlength=size)
        frequent = np.argsort(-counts, kind="stable")[
            : min(GLOBAL_TOP_K[self.task.multi_valued], int((counts > 0).sum()))
        ]
        known = np.flatnonzero(network.class_of_value >= 0)
        back = np.empty(len(known), np.int64)
        back[network.class_of_value[known]] = known
        best = back[network.top_k(NETWORK_TOP_K)]
        found += [
            (np.repeat(np.arange(len(query)), proposed.shape[1]), proposed.reshape(-1))
            for proposed in (np.tile(frequent, (len(query), 1)), best)
        ]
        if self._named is not None and votes is not None:
            found += [self._named[0].propose(query.rows, query.cutoffs), votes[:2]]
        if self.task.attribute == "base_model":
            own = self._witnessed.take(query.rows)
            found.append((own.rows, own.values))
        keys = unique_sorted(np.concatenate([p * size + v for p, v in found]))
        places, values = keys // size, keys % size
        if self.task.attribute == "base_model":
            asked = query.rows[places]
            older = (values != asked) & (self.graph.created[values] <= self.graph.created[asked])
            places, values = places[older], values[older]
        return places, values


def hstack_in_blocks(parts: Sequence[Floats]) -> Floats:
    """Return columns side by side, some thousand rows at a time: rows of them all are then in the core's own memory."""
    out = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), np.float32)
    for start in range(0, len(out), SOME):
        some = slice(start, start + SOME)
        np.concatenate([part[some] for part in parts], 1, out=out[some])
    return out


@dataclass(frozen=True, slots=True)
class NeighbourSample:
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
    metadata_visible: np.ndarray[tuple[int], np.dtype[np.bool_]]
    neighbours: Integers
    labels: Integers
    ages: Floats
    kinds: Integers

    def __len__(self) -> int:
        return len(self.rows)
