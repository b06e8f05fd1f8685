"""The model graph as arrays, one entry a model, in ascending order of ids: the same on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from atlas_db.columnar.date_parameters import DATE
from atlas_db.columnar.repository_names import NameKeys
from atlas_db.core.arrays import CsrLists, Doubles, Flags, Floats, Integers
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import CompletionError
from atlas_db.core.terms import Relation

HUB_FIRST_DATE = "2022-03-02T23:29:04Z"
"""First date that the Hub recorded. It stands for every earlier, unrecorded date."""

SINGLE_VALUED = ("license", "pipeline_tag", "library_name", "model_type")
"""Attributes with one value a model, read from the property of that name."""
MULTI_VALUED = {
    "base_model_relation": ("HAS_RELATION", "Relation"),
    "language": ("IN_LANGUAGE", "Language"),
    "datasets": ("TRAINED_ON", "Dataset"),
    "paper": ("CITES", "Paper"),
}
"""Attributes with several values a model: relationship type and node label of the claims that hold them."""
RELATIONS = tuple(Relation)
"""Kinds of derivation, in the order that `Graph.relations` counts them."""


class Column(NamedTuple):
    """Declared values of one attribute, as categories and codes.

    Attributes:
        categories: Values as the Hub spells them, in order.
        codes: Indices into `categories`, one list a model.
    """

    categories: list[str]
    codes: CsrLists


class ListedDatasets(NamedTuple):
    """Datasets that the Hub lists, declared by a model or not.

    Attributes:
        names: Dataset ids, in order.
        created: Creation dates, days since 1970, shape (datasets,).
    """

    names: list[str]
    created: Doubles


@dataclass(frozen=True)
class Graph:
    """Models with their attributes and lineage; n is the number of models.

    Attributes:
        ids: Model ids in ascending order.
        placeholder: True where no record was loaded: an edge alone names the model, shape (n,).
        created: Creation dates, days since 1970, shape (n,).
        downloads: Downloads of the last 30 days, shape (n,).
        likes: Likes, shape (n,).
        authors: Names of owners, in order.
        author: Index into `authors`, -1 for ids without owner, shape (n,).
        behaviour_cluster: Cluster of models with the same answers to fixed inputs, -1 for those not run, shape (n,).
        columns: Declared values by attribute; `tags` are the plain tags.
        listed_datasets: Datasets that the Hub lists; empty where they were not read.
        parents: Parents of each model, in descending order of confidence.
        relations: Relation to each parent, index into `RELATIONS`, parallel to `parents.values`.
        confidence: Confidence of each edge, 0..1, parallel to `parents.values`.
        declared: True where an author declares the edge, parallel to `parents.values`.
        inferred: True where the weights support the edge, declared or not, parallel to `parents.values`.
        extra_properties: Further properties by name, one value or None a model.
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
        """Time of each model for point-in-time counts, days since 1970, shape (n,).

        It is the creation date where one is recorded. The other models are spread over the two years before
        `HUB_FIRST_DATE`, in a pseudo-random order given by the CRC-32 of their ids. So each of them has earlier
        models to learn from, as a new model has.
        """
        out = self.created.copy()
        undated = np.flatnonzero(out == days_since_epoch(HUB_FIRST_DATE))
        out[undated] -= [DATE.undated_spread * crc32(self.ids[row].encode()) / 2**32 for row in undated.tolist()]
        return out

    @cached_property
    def name_keys(self) -> NameKeys:
        """Keys computed from the names of the models; they are the same for every attribute."""
        return NameKeys.of(self.ids, available_cores())


def days_since_epoch(date: str) -> float:
    """Return an ISO 8601 date as days since 1970."""
    return datetime.fromisoformat(date).timestamp() / 86400


def rows_of(graph: Graph, ids: Sequence[str]) -> Integers:
    """Return the rows of the models with the given ids, in ascending order, shape (len(ids),).

    Raises:
        CompletionError: The store does not hold one of the models.
    """
    row_of = {identifier: row for row, identifier in enumerate(graph.ids)}
    if missing := [identifier for identifier in ids if identifier not in row_of]:
        raise CompletionError(
            f"{len(missing)} of the models asked for are not in the store, {missing[0]} first",
            hint="Load them first, or take them out of the list",
        )
    return np.array(sorted(row_of[identifier] for identifier in ids), np.int64)
