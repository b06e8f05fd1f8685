"""Spherical interpolation of a tensor: its factors and the place on the arc are read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.slerp import fit_slerp_tensor, slerp_pairs
from tests.support.changes import slerp, vectors
from tests.support.families import root, trained


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.8])
def test_factors_and_the_place_on_the_arc(fraction: float) -> None:
    pair = np.random.default_rng(0).normal(size=(2, 4000))
    target = slerp(pair[0], pair[1], fraction)
    factors, (first, second) = fit_slerp_tensor(pair, target)
    assert factors @ pair == pytest.approx(target, abs=1e-8)
    assert (first, second) == pytest.approx((1 - fraction, fraction), abs=1e-3)


def test_of_two_in_one_direction_the_factors_give_the_place() -> None:
    first = np.random.default_rng(0).normal(size=4000)
    pair = np.stack((first, first * (1 + 1e-9)))
    factors, fractions = fit_slerp_tensor(pair, first)
    assert factors @ pair == pytest.approx(first, abs=1e-6)
    assert sum(fractions) == pytest.approx(1)


def test_the_pair_of_a_merge_comes_first(tmp_path: Path) -> None:
    base = root(1)
    models = [base, *(trained(base, seed) for seed in (2, 3, 4))]
    made = {name: slerp(value, models[3][name], 0.4) for name, value in models[1].items()}
    family = vectors(tmp_path, *((model, "F32") for model in (*models, made)))
    assert slerp_pairs(family, 4, range(4))[0] == (1, 3)
