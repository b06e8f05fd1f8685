"""Tests of `ingest/weights/baselines/model_atlas.py`."""

from __future__ import annotations

import numpy as np

from ingest.weights.baselines import model_atlas


def test_the_model_atlas_baseline_puts_quantized_models_at_leaves_and_finds_merges() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=4000)
    first, second = base + 0.1 * rng.normal(size=4000), base + 0.1 * rng.normal(size=4000)
    values = np.stack(
        (base, first, second, np.round(first * 20) / 20, (first + second) / 2, first + 0.05 * rng.normal(size=4000))
    )
    found = model_atlas.recover_graph(values, ["1", "2", "3", "4", "5", "6"], [False, False, False, True, False, False])
    assert found[:4] == [(), (0,), (0,), (1,)]
    assert set(found[4]) == {1, 2}
    assert found[5] == (1,)
