"""What an adapter changes, and how much of a model lies in it: one for chance, more in the model it was trained in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.formats.open_model import open_model
from ingest.weights.pairwise.adapter_base import adapter_factors, base_features, energy_in_update
from tests.support.changes import adapter
from tests.support.families import HIDDEN, LAYERS, root, trained, write


def test_factors_are_orthonormal_and_named_by_the_matrix_they_change(tmp_path: Path) -> None:
    with open_model(adapter(tmp_path / "a", root(1))) as model:
        found = adapter_factors(model)
    assert len(found) == LAYERS
    assert all(name.endswith("self_attn.v_proj.weight") for name in found)
    for part in found.values():
        assert part.shape == (HIDDEN, HIDDEN)
        np.testing.assert_allclose(part.basis.T @ part.basis, np.eye(4), atol=1e-5)


def test_the_base_holds_more_than_chance_and_another_family_does_not(tmp_path: Path) -> None:
    base = root(1)
    with open_model(adapter(tmp_path / "a", base)) as model:
        found = adapter_factors(model)
    measured = {}
    for name, weights in {"base": base, "child": trained(base, 2, 0.1), "other": root(9)}.items():
        with open_model(write(tmp_path / name, weights)) as model:
            energy = energy_in_update(found, model)
        assert energy is not None and energy.shape == (2,)
        measured[name] = energy
    assert measured["base"].min() > 1.2 and measured["child"].min() > 1.2
    assert abs(measured["other"] - 1).max() < 0.2


def test_a_model_of_other_sides_fits_no_module(tmp_path: Path) -> None:
    with open_model(adapter(tmp_path / "a", root(1))) as model:
        found = adapter_factors(model)
    narrow = {name: value[:, :32] if value.ndim > 1 else value for name, value in root(1).items()}
    with open_model(write(tmp_path / "narrow", narrow)) as model:
        assert energy_in_update(found, model) is None


def test_features_of_members() -> None:
    measured = np.array([[1.0, 1.5], [1.0, 1.1]])
    found = base_features(measured, np.array([1.0, 0]), np.array([3.0, 0]), np.array([9.0, 9]), np.array([0.0, 1]))
    assert found.shape == (2, 5)
    assert found[0].tolist() == [0, 1, np.log(4), 0, -np.log(10)]
    assert found[1, 0] < 0 and found[1, 3:].tolist() == [1, 0], "what came later has no age"
