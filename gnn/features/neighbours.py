"""Labelled neighbours of models: the latest declarations in each of their groups, for the graph network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_db.core.arrays import Flags, Floats, Integers
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.parameters.candidate_parameters import CANDIDATE


@dataclass(frozen=True, slots=True)
class NeighbourSample:
    """Models with their labelled neighbours; q models, at most k neighbours each.

    Attributes:
        rows: Models, shape (q,).
        metadata_visible: Whether the model's own metadata may be used, shape (q,).
        neighbours: Model of each neighbour, -1 for none, shape (q, k).
        labels: Class that each neighbour declares, 0 where there is no neighbour, shape (q, k).
        ages: Years from neighbour to model, 0 where there is no neighbour, shape (q, k).
        kinds: Grouping of each column, as a number, shape (k,).
    """

    rows: Integers
    metadata_visible: Flags
    neighbours: Integers
    labels: Integers
    ages: Floats
    kinds: Integers

    def __len__(self) -> int:
        return len(self.rows)


def neighbour_groupings(neighbourhood: Neighbourhood) -> list[str]:
    """Return the names of the groupings that give neighbours, in the order of `NeighbourSample.kinds`."""
    return [name for name, _ in CANDIDATE.neighbours_per_group if name in neighbourhood.groupings]


def sample_neighbours(
    neighbourhood: Neighbourhood, query: CompletionQuery, class_of_value: Integers
) -> NeighbourSample:
    """Return the latest labelled neighbours of models, before their cutoffs.

    Args:
        neighbourhood: Visible declarations.
        query: The models.
        class_of_value: Class of each value, -1 for values without one, shape (values,).
    """
    graph, events = neighbourhood.graph, neighbourhood.events
    by_grouping = [
        neighbourhood.counts_by(name).last_k(neighbourhood.group_of(name, query), query.cutoffs, k)
        for name, k in CANDIDATE.neighbours_per_group
        if name in neighbourhood.groupings
    ]
    kinds = np.repeat(np.arange(len(by_grouping)), [found.shape[1] for found in by_grouping])
    event = np.concatenate(by_grouping, 1)
    event = np.where((event >= 0) & (class_of_value[events.values[event]] >= 0), event, -1)
    years = (graph.event_time[query.rows][:, None] - events.times[event]) / 365.25
    ages = np.clip(years, 0, CANDIDATE.max_age_years)
    return NeighbourSample(
        query.rows,
        query.metadata_visible,
        np.where(event >= 0, events.rows[event], -1),
        np.where(event >= 0, class_of_value[events.values[event]], 0),
        np.where(event >= 0, ages, 0).astype(np.float32),
        kinds,
    )
