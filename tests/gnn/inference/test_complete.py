"""Tests of `gnn/inference/complete.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from gnn.dataset.tasks import HAS_PARENT, rows_missing
from gnn.inference.complete import CompletionSession


@pytest.mark.train
def test_who_is_asked_about_a_parent_is_no_witness_that_there_is_none(typed_graph: Graph, tmp_path: Path) -> None:
    """A few models that are asked about are not counted among those without a parent; where it is all, they are."""
    atelier = CompletionSession(typed_graph, tmp_path)
    lacks = rows_missing(typed_graph, "base_model")
    few = lacks[::5]
    seen = atelier.neighbourhood(HAS_PARENT, few).events.rows
    assert not np.isin(few, seen).any()
    assert np.isin(np.setdiff1d(lacks, few), seen).all()
    assert np.isin(lacks, atelier.neighbourhood(HAS_PARENT, lacks).events.rows).all()
