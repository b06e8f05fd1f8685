"""Tests of `ingest/weights/pairwise/precision_cast.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.pairwise.precision_cast import cast_log_odds
from tests.support.changes import vectors
from tests.support.charts import charted, pairs
from tests.support.families import root, stored, trained


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("size", [0.02, 0.1])
def test_a_child_of_a_cast_has_made_its_step(tmp_path: Path, dtype: str, size: float) -> None:
    base = root(1)
    cast = stored(base, "BF16")
    made = {
        "base": (base, "F32", "2024-01-01"),
        "cast": (cast, "BF16", "2024-01-02"),
        "of-cast": (trained(cast, 2, size), dtype, "2024-01-03"),
        "of-base": (trained(base, 3, size), dtype, "2024-01-04"),
    }
    kin = {f"kin{n}": (trained(base, 10 + n, size), dtype, f"2024-02-0{n}") for n in (1, 2, 3)}
    expected = {("cast", "base"), ("of-cast", "cast"), ("of-base", "base"), *((name, "base") for name in kin)}
    assert pairs(charted(tmp_path, {**made, **kin})) == expected


def test_rounding_to_the_casts_own_values_is_no_evidence(tmp_path: Path) -> None:
    """Stored as the cast is, a model that hardly moved lies on the cast, whichever it comes from."""
    base = root(1)
    cast = stored(base, "BF16")
    made = [(stored(trained(start, seed, 0.0005), "BF16"), "BF16") for start, seed in ((base, 2), (cast, 3))]
    family = vectors(tmp_path, (base, "F32"), (cast, "BF16"), *made)
    assert np.mean(family.values[2] == family.values[1]) > 0.5
    assert [abs(cast_log_odds(family, child, 0, 1)) < 1 for child in (2, 3)] == [True, True]
