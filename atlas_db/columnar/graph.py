"""The graph that completion learns from: models as columns, in the order of their ids, equal on every engine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from atlas_db.columnar.repository_names import NameKeys
from atlas_db.core.arrays import CsrLists, Doubles, Flags, Floats, Integers
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Relation

HUB_FIRST_DATE = "2022-03-02T23:29:04Z"
"""Stands for dates before the Hub kept any: all that is known of them is that they are older than the others."""


UNDATED_SPREAD_DAYS = 730.0
"""Days before that date which the models without one are spread over."""


SINGLE_VALUED = ("license", "pipeline_tag", "library_name", "model_type")


MULTI_VALUED = {
    "base_model_relation": ("HAS_RELATION", "Relation"),
    "language": ("IN_LANGUAGE", "Language"),
    "datasets": ("TRAINED_ON", "Dataset"),
    "paper": ("CITES", "Paper"),
}
"""Attributes that are read from their claims, relationship type and label: a model may have several values."""


RELATIONS = tuple(Relation)


def threads() -> int:
    """Return the number of cores that may be used."""
    return len(os.sched_getaffinity(0))


class Column(NamedTuple):
    """Declared values of one attribute.

    Attributes:
        names: Values, as the Hub spells them, in order.
        held: Indices into `names`, a list a model.
    """

    categories: list[str]
    codes: CsrLists


class ListedDatasets(NamedTuple):
    """Datasets that a list of the Hub names, whether any model declares them or not.

    Attributes:
        names: Ids, in order.
        created: Days since 1970, shape (datasets,).
    """

    names: list[str]
    created: Doubles


@dataclass(frozen=True)
class Graph:
    """Models and what is known of them.

    Attributes:
        ids: Ids in ascending order.
        placeholder: True where nobody loaded a record of it, shape (n,).
        created: Days since 1970, shape (n,).
        downloads: Downloads of the last 30 days, shape (n,).
        likes: Likes, shape (n,).
        authors: Names of owners, in order.
        author: Index into `authors`, -1 for ids without owner, shape (n,).
        behaviour: Equal for models that answer fixed inputs alike, -1 for those that were not run, shape (n,).
        columns: Declared values by attribute; `tags` are the plain tags.
        listed: Datasets that there are; none where they were not asked for.
        parents: Parents of each, the surest first.
        relations: Relation to each parent, index into `RELATIONS`, parallel to `parents.values`.
        sure: Confidence of each of these edges, 0..1.
        declared: True where an author declares the edge; the others rest on weights alone.
        witnessed: True where the weights speak for the edge, declared or not.
        more: Further properties that were asked for, by name, a value or None a model.
    """

    ids: list[str]
    placeholder: Flags
    created: Doubles
    downloads: Integers
    likes: Integers
    authors: list[str]
    author: Integers
    behaviour_cluster: Integers
    columns: dict[str, Column]
    listed_datasets: ListedDatasets
    parents: CsrLists
    relations: Integers
    confidence: Floats
    declared: Flags
    inferred: Flags
    extra_properties: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def event_time(self) -> Doubles:
        """When each model is taken to have come, days since 1970, shape (n,).

        Its date; those older than the Hub's dates in the two years before them, in an order that their ids draw. So
        each sees what some of the others declare, as a new one will see of them all.
        """
        out = self.created.copy()
        undated = np.flatnonzero(out == days_since_epoch(HUB_FIRST_DATE))
        out[undated] -= [UNDATED_SPREAD_DAYS * crc32(self.ids[row].encode()) / 2**32 for row in undated.tolist()]
        return out

    @cached_property
    def name_keys(self) -> NameKeys:
        """What the names of models say: the same for every attribute."""
        return NameKeys.of(self.ids, threads())


def days_since_epoch(date: str) -> float:
    """Return a date as days since 1970."""
    return datetime.fromisoformat(date).timestamp() / 86400


def rows_of(graph: Graph, ids: Sequence[str]) -> Integers:
    """Return the rows of models.

    Raises:
        CompletionError: The store holds no such model.
    """
    place = {identifier: row for row, identifier in enumerate(graph.ids)}
    if missing := [identifier for identifier in ids if identifier not in place]:
        raise CompletionError(
            f"{len(missing)} of the models asked for are not in the store, {missing[0]} first",
            hint="Load them first, or take them out of the list",
        )
    return np.array(sorted(place[identifier] for identifier in ids), np.int64)
