"""Tests of `atlas_db/analysis/regions.py`."""

from __future__ import annotations

import numpy as np

from atlas_db.analysis.regions import snake_lengths


def test_snakes() -> None:
    # 0-1-2-3 is one line; 4 has two children; 7 has two parents.
    child, parent = np.array([1, 2, 3, 5, 6, 7, 7]), np.array([0, 1, 2, 4, 4, 5, 6])
    assert snake_lengths(child, parent, 8).tolist() == [3]
