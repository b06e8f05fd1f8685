"""Merges with weights a tensor or row, by mergekit's formulas: parents, base and method are named, fine-tunes are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.by_tensor.tensor_recipes import arc_fractions, recipe_of
from ingest.weights.merges.by_tensor.tensor_weights import LocalFit
from tests.support.changes import merged, slerp
from tests.support.families import trained
from tests.support.mergekit import model_stock, multislerp, nuslerp


def _gradient(name: str) -> float:
    """A fraction that depends on the tensor, as a gradient over layers and filters makes it; 0 and 1 among them."""
    return (0.0, 0.3, 0.5, 0.7, 1.0)[len(name) % 5]


@pytest.mark.parametrize("dtype", ["F32", pytest.param("BF16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("make", "method", "parents", "base"),
    [
        (lambda n, b, m: slerp(m[0], m[1], _gradient(n)), "slerp", {1, 2}, None),
        (lambda n, b, m: m[0] if "layers.0" in n or "embed" in n else m[2], "passthrough", {1, 3}, None),
        (lambda n, b, m: nuslerp(m[0], m[1], 0.3), "slerp", {1, 2}, None),
        (lambda n, b, m: nuslerp(m[0], m[1], 0.3, b), "nuslerp", {1, 2}, 0),
        (lambda n, b, m: multislerp([m[0], m[1], m[2]], [0.2, 0.3, 0.5]), "multislerp", {1, 2, 3}, None),
        (lambda n, b, m: multislerp([m[0], m[1], m[2]], [1, 1, 1]), "karcher", {1, 2, 3}, None),
        (lambda n, b, m: multislerp([m[0], m[2]], [0.4, 0.6], b), "multislerp", {1, 3}, 0),
        (lambda n, b, m: model_stock(b, [m[0], m[4]]), "model_stock|task_arithmetic", {1, 5}, 0),
        (lambda n, b, m: model_stock(b, [m[0], m[4]], filter_wise=True), "model_stock", {1, 5}, 0),
    ],
)
def test_weights_of_each_tensor_name_the_recipe(
    tmp_path: Path, make: object, method: str, parents: set[int], base: int | None, dtype: str
) -> None:
    found = merged(tmp_path, make, dtype)
    assert found is not None
    assert set(found.parents) == parents
    if dtype == "F32":
        assert set(method.split("|")) & set(found.method.split("|"))
        assert found.base == base
    assert found.residual < 0.15


def test_fractions_of_slerp_are_read_back(tmp_path: Path) -> None:
    found = merged(tmp_path, lambda n, b, m: nuslerp(m[0], m[1], 0.3, b))
    assert found is not None
    assert dict(zip(found.parents, found.weights, strict=True)) == pytest.approx({1: 0.7, 2: 0.3}, abs=0.02)
    angle = np.full(4, 0.6)
    part = np.linspace(0.1, 0.9, 4)
    weights = np.stack((np.sin((1 - part) * angle), np.sin(part * angle)), 1) / np.sin(angle)[:, None]
    assert arc_fractions(weights, np.cos(angle))[:, 1] == pytest.approx(part)


@pytest.mark.parametrize("dtype", ["F32", pytest.param("BF16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [71, 72, 73])
def test_a_fine_tune_of_a_merge_of_this_kind_is_none(tmp_path: Path, seed: int, dtype: str) -> None:
    """Training moves each element, and no weights of tensors make up for it."""
    assert merged(tmp_path, lambda n, b, m: trained({n: nuslerp(m[0], m[1], 0.3, b)}, seed, 0.05)[n], dtype) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.45])
def test_rows_of_which_most_are_anothers_own_are_no_merge(share: float) -> None:
    """Weights of zero in most rows are equal, as those of Model Stock by rows are."""
    weights = np.zeros((400, 3))
    some = np.random.default_rng(1).random(400) < share
    weights[some, :2] = np.random.default_rng(2).uniform(0.1, 0.3, (int(some.sum()), 1))
    weights[:, 2] = 1 - weights.sum(1)
    fit = LocalFit((0, 1, 2), False, weights, 1.0, 0.01, "row", np.tile(np.eye(4), (400, 1, 1)))
    assert recipe_of(fit) is None
