"""Tests of `gnn/dataset/grouping_keys.py`."""

from __future__ import annotations

import numpy as np

from atlas_db.columnar.repository_names import factorize_strings
from gnn.dataset.grouping_keys import combine_keys, roots


def test_groups() -> None:
    assert factorize_strings(["a", None, "b", "a"]).tolist() == [0, -1, 1, 0]
    joined = combine_keys(np.array([0, 0, 1, -1, 0]), np.array([2, 3, 2, 2, 2]))
    assert joined[0] == joined[4] and len({joined[0], joined[1], joined[2]}) == 3 and joined[3] == -1
    assert joined[[0, 1, 2]].min() >= 0
    assert roots(np.array([-1, 0, 1, 2, -1, 6, 5])).tolist()[:5] == [-1, 0, 0, 0, -1]
