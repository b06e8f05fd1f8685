"""Tests of `ingest/weights/pairwise/weight_decay.py`: what shrinks by one factor came later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.pairwise.direction import precedence_by_weights, small_singular_parts
from ingest.weights.pairwise.weight_decay import decay_probabilities
from ingest.weights.samples.aligned_samples import sq_distances
from ingest.weights.tree.scorer import load_scorer
from tests.support.changes import vectors
from tests.support.families import Weights, root, trained

NOISE = 0.004


def scaled(weights: Weights, *factors: float) -> Weights:
    """Scale one matrix after the other by the factors, over and over."""
    matrices = [name for name, value in weights.items() if value.ndim > 1]
    each = dict(zip(matrices, np.resize(factors, len(matrices)).tolist(), strict=True))
    return {name: value * np.float32(each.get(name, 1.0)) for name, value in weights.items()}


@pytest.mark.parametrize(
    ("factors", "decays"),
    [((0.997,), True), ((1.0,), False), ((1.003,), False), ((0.999, 1.004, 1.009, 1.0), False)],
    ids=["decay", "noise alone", "what was before decay", "learning"],
)
def test_decay_is_one_factor_below_one(tmp_path: Path, factors: tuple[float, ...], decays: bool) -> None:
    base = root(1)
    family = vectors(tmp_path, (base, "F32"), (scaled(trained(base, 2, NOISE), *factors), "F32"))
    forth, back = decay_probabilities(family, small_singular_parts(family))[[0, 1], [1, 0]]
    assert (forth > 0.9) == decays
    assert (back > 0.9) == (factors == (1.003,))
    assert min(forth, back) < 0.01


def test_decay_alone_orders_two_models(tmp_path: Path) -> None:
    base = root(1)
    child = scaled(trained(base, 2, NOISE), 0.997)
    family = vectors(tmp_path, (base, "F32"), (child, "F32"), (scaled(trained(child, 3, NOISE), 0.997), "F32"))
    found = precedence_by_weights(family, sq_distances(family), load_scorer(large=True).precedence)
    assert (found[np.triu_indices(3, 1)] > 4).all()
    np.testing.assert_allclose(found, -found.T)
