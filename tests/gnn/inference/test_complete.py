"""Tests of `gnn/inference/complete.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from gnn.dataset.tasks import HAS_PARENT, rows_missing
from gnn.inference.complete import CompletionSession


@pytest.mark.train
def test_models_of_the_query_are_no_negatives_of_a_parent(typed_graph: Graph, tmp_path: Path) -> None:
    """A few models of the query do not count as negatives; where the query holds all, they do."""
    session = CompletionSession(typed_graph, tmp_path)
    lacks = rows_missing(typed_graph, "base_model")
    few = lacks[::5]
    seen = session.neighbourhood(HAS_PARENT, few).events.rows
    assert not np.isin(few, seen).any()
    assert np.isin(np.setdiff1d(lacks, few), seen).all()
    assert np.isin(lacks, session.neighbourhood(HAS_PARENT, lacks).events.rows).all()
