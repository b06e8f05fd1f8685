"""Tests of `ingest/weights/pairwise/frozen_tensors.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.pairwise.frozen_tensors import frozen_share
from tests.support.changes import frozen, vectors
from tests.support.charts import one_a_day, pairs
from tests.support.families import TYPES, root, stored, trained


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_tensors_left_alone_are_counted_as_their_child_is_stored(tmp_path: Path, dtype: str) -> None:
    base = root(1)
    child = stored(frozen(base, 2, 0.1), dtype)
    family = vectors(tmp_path, (base, "F32"), (child, dtype), (trained(base, 3), "F32"))
    same = [np.array_equal(base[name].astype(TYPES[dtype]).astype(np.float32), child[name])
            for name in base if base[name].ndim > 1]  # fmt: skip
    shares = frozen_share(family)
    assert shares[1].tolist() == pytest.approx([sum(same) / len(same), 0, 0]) and sum(same) == 2
    assert shares[0, 1] == (shares[1, 0] if dtype == "F32" else 0), "rounded once more is not as it is"


def test_frozen_tensors_name_the_parent_where_its_trace_is_drowned(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2, 0.004)
    made = {"base": base, "near": near, "child": frozen(near, 3, 0.6), "other": trained(base, 4, 0.3)}
    edges = pairs(one_a_day(tmp_path, made))
    assert edges == {("near", "base"), ("child", "near"), ("other", "base")}
