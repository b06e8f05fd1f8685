"""Tests of `atlas_db/analysis/tables.py`."""

from __future__ import annotations

import math

import numpy as np

from atlas_db.analysis.tables import ratio_interval


def test_intervals_draw_whole_clusters() -> None:
    hits, trials = np.array([1] * 50 + [0] * 50), np.ones(100, np.int64)
    share, low, high = ratio_interval(hits, trials, np.arange(100), seed=1)
    assert share == 0.5
    assert 0.36 < low < 0.44
    assert 0.56 < high < 0.64
    _, low, high = ratio_interval(hits, trials, np.repeat([0, 1], 50), seed=1)
    assert (low, high) == (0, 1), "two clusters say next to nothing"
    assert all(map(math.isnan, ratio_interval(hits[:0], trials[:0], hits[:0], seed=1)))
