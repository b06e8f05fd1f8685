"""Tests of `gnn/dataset/query.py`."""

from __future__ import annotations

import numpy as np

from gnn.dataset.query import CompletionQuery


def test_queries_are_cut_and_joined() -> None:
    query = CompletionQuery(np.arange(5), np.arange(5) * 2.0, np.array([True, False, True, True, False]))
    again = CompletionQuery.concat([query.subset(slice(0, 2)), query.subset(np.arange(2, 5))])
    assert len(again) == 5
    for name in ("rows", "cutoffs", "metadata_visible"):
        assert np.array_equal(getattr(again, name), getattr(query, name))
