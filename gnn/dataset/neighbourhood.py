"""The data of one completion task: visible declarations, groupings and tokens of all models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from atlas_db.columnar.graph import Column, Graph
from atlas_db.core.arrays import Flags, Integers
from gnn.dataset.grouping_keys import Grouping, groupings
from gnn.dataset.hashed_tokens import TokenTable, metadata_tokens
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import Task, leakage_masks, masked_attributes, target_column
from gnn.dataset.temporal_counts import PointInTimeCounts, declaration_events

Derived = TypeVar("Derived")


class Neighbourhood:
    """Visible declarations of one attribute, and the groupings and tokens that relate models to each other.

    Attributes:
        graph: The graph.
        task: The attribute to complete.
        token_table: Tokens of names, owners and lineage of every model.
        column: Declared values of the attribute.
        events: Visible declarations in order of time.
        groupings: Groupings of the models by name.
        metadata_tokens: Tokens of each model's metadata, without those that leak the attribute.

    Args:
        graph: The graph.
        task: The attribute to complete.
        token_table: Tokens of every model.
        visible: Models whose declarations may be used, shape (n,).
    """

    def __init__(self, graph: Graph, task: Task, token_table: TokenTable, visible: Flags) -> None:
        self.graph = graph
        self.task = task
        self.token_table = token_table
        self.column: Column = target_column(graph, task.attribute)
        self.events = declaration_events(
            self.column.codes, graph.event_time, visible & ~graph.placeholder, len(self.column.categories)
        )
        masked, leakage = masked_attributes(task.attribute), leakage_masks(graph, task.attribute)
        self.groupings: dict[str, Grouping] = {each.name: each for each in groupings(graph, masked, leakage["tags"])}
        self.metadata_tokens = metadata_tokens(graph, masked, leakage)
        self._counts: dict[str, PointInTimeCounts] = {}
        self._derived: dict[Callable[[Neighbourhood], Any], Any] = {}

    def derived(self, build: Callable[[Neighbourhood], Derived]) -> Derived:
        """Return what a function or class builds from this neighbourhood; it is built at the first call, then kept."""
        if build not in self._derived:
            self._derived[build] = build(self)
        found: Derived = self._derived[build]
        return found

    @property
    def group_names(self) -> list[str]:
        """Names of all groupings, in the order of the count features; the first puts all models in one group."""
        return ["all models", *self.groupings]

    @cached_property
    def overall_counts(self) -> PointInTimeCounts:
        """Declarations of all models as one group, number 0."""
        return PointInTimeCounts(self.events, np.zeros(len(self.graph), np.int64))

    def counts_by(self, name: str) -> PointInTimeCounts:
        """Return the declarations by the groups of one grouping."""
        if name not in self._counts:
            self._counts[name] = PointInTimeCounts(self.events, self.groupings[name].member_key)
        return self._counts[name]

    def group_of(self, name: str, query: CompletionQuery) -> Integers:
        """Return the group that each model looks up, -1 for none or where it would need masked metadata, shape (q,)."""
        grouping = self.groupings[name]
        keys = grouping.query_key[query.rows]
        return keys if grouping.cold_start else np.where(query.metadata_visible, keys, -1)

    def has_metadata(self, query: CompletionQuery) -> Flags:
        """Return which models show more than id, date and lineage, shape (q,)."""
        return np.asarray(query.metadata_visible & (self.metadata_tokens.counts[query.rows] > 0))

    def value_positions(self, values: Sequence[str]) -> Integers:
        """Return the position of each category of the attribute in a list of values, -1 for those not in it."""
        position_of = {name: position for position, name in enumerate(values)}
        return np.array([position_of.get(name, -1) for name in self.column.categories], np.int64)
