"""Tests of `gnn/features/neighbours.py`."""

from __future__ import annotations

import numpy as np

from gnn.features.neighbours import neighbour_groupings, sample_neighbours
from tests.support.memory_graph import latest_query, neighbourhood_of


def test_labelled_neighbours_were_declared_before_the_cutoff() -> None:
    neighbourhood = neighbourhood_of("license")
    query = latest_query(neighbourhood)
    found = sample_neighbours(neighbourhood, query, np.arange(neighbourhood.events.num_values))
    at, column = np.nonzero(found.neighbours >= 0)
    times = neighbourhood.graph.event_time[found.neighbours[at, column]]
    assert len(at) and (times < query.cutoffs[at]).all()
    assert len(neighbour_groupings(neighbourhood)) == found.kinds.max() + 1
    assert (found.labels[found.neighbours < 0] == 0).all() and len(found) == len(query)
