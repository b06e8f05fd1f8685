"""Weights of each tensor and row are read back, and trained models are no combination of their siblings."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.weights.merges.by_tensor.tensor_weights import fit_local_weights
from tests.support.near_models import near_models, related


def test_weights_of_each_tensor_are_read_back() -> None:
    base, one, two, other = related(3)
    part = np.repeat([0.1, 0.4, 0.6, 0.9], 1024)
    fits = fit_local_weights(near_models((1 - part) * one + part * two, [base, one, two, other]), "tensor")
    assert (fits[0].places, fits[0].with_origin, fits[0].is_exact) == ((1, 2), False, True)
    assert fits[0].weights[:, 1] == pytest.approx([0.1, 0.4, 0.6, 0.9], abs=1e-4)


def test_weights_of_each_row_are_read_back() -> None:
    base, one, two, _ = related(3)
    part = np.repeat(np.linspace(0.1, 0.9, 128), 32)
    near = near_models(base + part * (one - base) + part * (two - base), [base, one, two])
    assert not any(fit.is_exact for fit in fit_local_weights(near, "tensor"))
    fit = next(fit for fit in fit_local_weights(near, "row") if fit.places == (0, 1, 2))
    assert fit.weights[:, 1] == pytest.approx(np.linspace(0.1, 0.9, 128), abs=1e-3)


def test_a_trained_model_has_no_fit() -> None:
    base, one, two, child = related(3)
    near = near_models(child, [base, one, two])
    assert fit_local_weights(near, "tensor") == fit_local_weights(near, "row") == []
