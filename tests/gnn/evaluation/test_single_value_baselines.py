"""Tests of `gnn/evaluation/single_value_baselines.py`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import csr_lists
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import HAS_PARENT
from gnn.evaluation.single_value_baselines import BASELINES


@pytest.mark.train
def test_no_baseline_reads_lineage_where_it_is_the_target(typed_graph: Graph) -> None:
    """Tested models declare no parents in one of two graphs: every baseline answers the same."""
    cutoff = float(np.quantile(typed_graph.created, 0.8))
    kept = typed_graph.created[typed_graph.parents.rows] < cutoff
    parents = csr_lists(len(typed_graph), typed_graph.parents.rows[kept], typed_graph.parents.values[kept])
    edges = {name: getattr(typed_graph, name)[kept] for name in ("relations", "confidence", "declared", "inferred")}
    other = replace(typed_graph, parents=parents, **edges)
    rows = np.flatnonzero(typed_graph.created >= cutoff)
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    seen = [
        {name: method(around, query) for name, method in BASELINES.items()}
        for around in (
            Neighbourhood(each, HAS_PARENT, TokenTable(each, lineage=False), each.created < cutoff)
            for each in (typed_graph, other)
        )
    ]
    for name in BASELINES:
        assert np.array_equal(seen[0][name][0], seen[1][name][0]), name
        assert np.allclose(seen[0][name][1], seen[1][name][1]), name
