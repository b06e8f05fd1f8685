"""Tests of `ingest/weights/adapters/base_choice.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.formats.open_model import open_model
from ingest.weights.adapters.base_choice import Measured, base_probabilities, features, fitting_modules, measure
from ingest.weights.adapters.base_fit import Fit
from ingest.weights.adapters.base_matrices import BaseMatrices
from ingest.weights.adapters.contained_steps import CopiedValues
from ingest.weights.parameters.adapter_parameters import ADAPTER
from tests.support.adapters import numbers, traces_of, write_adapter
from tests.support.families import HIDDEN, Weights, root, trained, write

AT = "layers.{}.self_attn.v_proj"


def measured(count: int, equal: list[bool] | None = None) -> Measured:
    zeros, pairs = np.zeros(count), np.zeros((count, count))
    names = ("outputs", "inputs", "overlap")
    fit = Fit(zeros, zeros, zeros, zeros, zeros, zeros, CopiedValues(count), dict.fromkeys(names, pairs), 1)
    return Measured(fit, equal, pairs)


def test_probabilities_leave_room_for_a_base_that_is_not_here() -> None:
    for count in (1, 2, 10):
        made = base_probabilities(measured(count), np.array([20.0, *[0.0] * (count - 1)]))
        assert made.sum() == pytest.approx(1 - ADAPTER.absent - ADAPTER.absent_of_few / count)
    assert base_probabilities(measured(1), np.zeros(1))[0] < 0.6, "a lone candidate is no choice"


def test_an_equal_table_decides_and_none_equal_means_absent() -> None:
    made = base_probabilities(measured(3, [True, False, True]), np.array([0.0, 9.0, 0.0]))
    assert made.tolist() == pytest.approx([0.49, 0.0, 0.49])
    assert base_probabilities(measured(2, [False, False]), np.zeros(2)).sum() < 0.05


def test_elements_that_equal_another_model_exclude() -> None:
    found = measured(2)
    found.rows = np.array([[0.0, 9.0], [-9.0, 0.0]])
    made = base_probabilities(found, np.zeros(2))
    assert made[1] > 1000 * made[0]


def test_features_follow_the_line_from_the_root() -> None:
    found = measured(3)
    found.fit.partner = np.array([-3.0, 0.0, -50.0])
    found.fit.pairs = {**found.fit.pairs, "overlap": np.array([[0, 2.0, 1], [-2, 0, 5], [-1, -5, 0]])}
    table = features(found, [None, 0, 1], [False, False, True])
    assert table.shape == (3, 7)
    assert table[:, 2].tolist() == [0, 1, 2] and table[:, 6].tolist() == [0, 0, 1]
    np.testing.assert_allclose(table[:, 3], np.cumsum([0, np.arcsinh(2), np.arcsinh(5)]))
    assert table[1, 0] == 0 > table[0, 0] > table[2, 0]
    assert features(found, [1, 0, None], [False] * 3).shape == (3, 7), "a ring of parents ends"


def family(folder: Path) -> tuple[dict[str, Weights], dict[str, BaseMatrices]]:
    weights = {"base": root(1), "child": trained(root(1), 2, 0.5), "other": root(9)}
    return weights, {name: BaseMatrices(open_model(write(folder / name, value))) for name, value in weights.items()}


@pytest.mark.parametrize("scaling", [1.0, 4.0])
def test_factors_of_singular_vectors_are_copies(tmp_path: Path, scaling: float) -> None:
    weights, bases = family(tmp_path)
    tensors = {}
    for layer in range(2):
        left, sizes, right = np.linalg.svd(weights["child"][f"model.{AT.format(layer)}.weight"])
        root_of = np.sqrt(sizes[:8] / scaling)
        tensors[f"{AT.format(layer)}.lora_B.weight"] = left[:, :8] * root_of + 0.003 * numbers(HIDDEN, 8)
        tensors[f"{AT.format(layer)}.lora_A.weight"] = root_of[:, None] * right[:8]
    found = measure(traces_of(write_adapter(tmp_path / "pissa", tensors)), list(bases.values()))
    table = features(found, [None, 0, None], [False] * 3)
    assert table[1, 5] == 0 > table[0, 5] and table[2, 5] < -3
    assert not table[:, :5].any(), "copies decide"
    assert found.z()[1] > 8 and abs(found.z()[2]) < 5


def test_norms_and_rows_are_copies(tmp_path: Path) -> None:
    weights, bases = family(tmp_path)
    table = weights["child"]["model.embed_tokens.weight"][[4, 9, 30, 31]].copy()
    table[:2] += 0.01 * numbers(2, HIDDEN)
    made = write_adapter(
        tmp_path / "tokens", {"embed_tokens.trainable_tokens_delta": table}, token_indices=[4, 9, 30, 31]
    )
    found = measure(traces_of(made), list(bases.values()))
    assert found.z()[0] > 6 and found.z()[2] == 0
    assert found.rows[0, 1] > 8, "two rows were never trained"
    assert base_probabilities(found, np.zeros(3))[1] > 0.7


def test_a_model_fits_as_many_modules_as_it_has(tmp_path: Path) -> None:
    _, bases = family(tmp_path)
    tensors = {}
    for layer in range(3):
        tensors |= {
            f"{AT.format(layer)}.lora_A.weight": numbers(4, HIDDEN),
            f"{AT.format(layer)}.lora_B.weight": numbers(HIDDEN, 4),
        }
    assert fitting_modules(traces_of(write_adapter(tmp_path / "deep", tensors)), bases["base"]) == 2
