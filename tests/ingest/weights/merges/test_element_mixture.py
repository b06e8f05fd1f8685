"""A mixture explains the elements of parents that it is given, and few of others."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.weights.merges.element_mixture import fit_mixture
from tests.support.near_models import near_models, related


def test_factors_of_each_tensor_are_read_back() -> None:
    base, one, two, other = related(3, 8192)
    rng = np.random.default_rng(5)
    factors = np.repeat([0.98, 1.0, 1.03, 1.01], 2048)
    first, second = rng.random((2, 8192)) < 0.5
    near = near_models(base + factors * first * (one - base) + 0.7 * second * (two - base), [base, one, two, other])
    found = fit_mixture(near, 0, [(1, 1.01), (2, 0.7)], is_mean=False, is_final=True)
    assert found is not None
    assert found.explained > 0.99
    assert found.factors[0] == pytest.approx([0.98, 1.0, 1.03, 1.01], abs=1e-3)
    assert (found.used[~first & ~second] == 0).all()
    wrong = fit_mixture(near, 0, [(1, 1.01), (3, 0.7)], is_mean=False, is_final=True)
    assert wrong is None or wrong.explained < 0.6
