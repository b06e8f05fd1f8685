"""Tests of `ingest/weights/pairwise/low_rank_delta.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.chart import chart
from ingest.weights.pairwise.low_rank_delta import difference_rank
from ingest.weights.samples.aligned_samples import align
from ingest.weights.samples.resample import Resampler
from tests.support.changes import low_rank
from tests.support.families import Weights, print_of, root, trained, write


def test_the_rank_of_a_difference_counts_steps(tmp_path: Path) -> None:
    base = root(1)
    once = low_rank(base, 2, 2)
    models = {
        "base": base, "once": once, "twice": low_rank(once, 3, 4), "sibling": low_rank(base, 4, 2),
        "stored": once, "full": trained(base, 5), "noisy": trained(once, 6, 0.02),
    }  # fmt: skip
    types = {"stored": "BF16"}
    prints = [print_of(write(tmp_path / name, weights, types.get(name, "F32"))) for name, weights in models.items()]
    samples = [sample for item in prints if (sample := Resampler().sample(item))]
    family = align(samples, [item.dtype for item in prints])
    rows = {name: row for row, name in enumerate(models)}

    def rank(first: str, second: str) -> float:
        return difference_rank(family, rows[first], rows[second])

    # Matrices of 64 columns are sampled at two runs of them, which have a rank each.
    assert rank("base", "once") == rank("once", "base") == 2 * 2
    assert (rank("once", "twice"), rank("base", "twice"), rank("once", "sibling")) == (2 * 4, 2 * 6, 2 * 4)
    assert rank("base", "stored") == 2 * 2, "rounding adds noise, no rank"
    assert np.isnan([rank("base", "full"), rank("base", "noisy"), rank("base", "base"), rank("full", "once")]).all()


@pytest.mark.slow
def test_merged_adapters_of_merged_adapters_are_charted_without_dates(tmp_path: Path) -> None:
    """One rank everywhere: each child is as far from its parent as that is from its own, and siblings twice as far."""
    base = root(11)
    made: dict[str, Weights] = {"base": base}
    for first in "ab":
        made[first] = low_rank(base, ord(first), 2)
        for second in "xyz":
            made[first + second] = low_rank(made[first], ord(first) * ord(second), 2)
    prints = [print_of(write(tmp_path / name, weights), name) for name, weights in made.items()]
    edges = {(edge.child, edge.parent) for edge in chart(prints, Resampler(), time=False)}
    joined = {frozenset(pair) for pair in edges}
    assert joined == {frozenset((name, name[:-1] or "base")) for name in made if name != "base"}
