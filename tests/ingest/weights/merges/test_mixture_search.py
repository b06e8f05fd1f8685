"""Merges of elements, by mergekit's formulas: parents, base and method are named, fine-tunes are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.samples.aligned_samples import round_to_dtype
from tests.support.changes import merged
from tests.support.families import Weights, root, trained
from tests.support.mergekit import arcee_fusion, nearswap, sce, task_vectors


@pytest.mark.parametrize("dtype", ["F32", pytest.param("BF16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("thinned", "agree", "method"),
    [
        ("random", False, "dare_linear"),
        ("random", True, "dare_ties"),
        ("rank", False, "della_linear"),
        ("rank", True, "della"),
        ("magnitude", True, "ties"),
        ("band", False, "breadcrumbs"),
        ("band", True, "breadcrumbs_ties"),
    ],
)
@pytest.mark.parametrize("weights", [pytest.param((0.5, 0.5), marks=pytest.mark.slow), (0.9, 0.4)])
def test_thinned_task_vectors_name_base_parents_and_method(
    tmp_path: Path, thinned: str, agree: bool, method: str, weights: tuple[float, float], dtype: str
) -> None:
    found = merged(
        tmp_path, lambda n, b, m: task_vectors(b, [m[1], m[3]], weights, thinned, agree=agree, seed=len(n)), dtype
    )
    assert found is not None
    assert (set(found.parents), found.base) == ({2, 4}, 0)
    if dtype == "F32":
        assert found.method == method or method in found.method.split("|")


@pytest.mark.parametrize("dtype", ["F32", pytest.param("BF16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("make", "method", "parents"),
    [
        (lambda b, m: task_vectors(b, m[1:3], (0.7, 0.3), "magnitude", agree=True, normalize=True), "ties", {2, 3}),
        (lambda b, m: task_vectors(b, m[1:3], (0.7, 0.3), "rank", agree=True, normalize=True), "della", {2, 3}),
        (lambda b, m: sce(b, m[1:3], 0.6), "sce", {2, 3}),
        (lambda b, m: sce(b, m[1:3], 1.0), "sce", {2, 3}),
        (lambda b, m: arcee_fusion(m[0], m[3]), "arcee_fusion", {1, 4}),
        (lambda b, m: arcee_fusion(b, m[3]), "arcee_fusion", {0, 4}),
        (lambda b, m: nearswap(m[1], m[2], 0.002), "nearswap", {2, 3}),
    ],
)
def test_means_and_elements_of_two_models_name_their_parents(
    tmp_path: Path, make: object, method: str, parents: set[int], dtype: str
) -> None:
    found = merged(tmp_path, lambda n, b, m: make(b, m), dtype)  # type: ignore[operator]
    assert found is not None
    assert set(found.parents) == parents
    if dtype == "F32":
        assert method in found.method.split("|")


@pytest.mark.parametrize("dtype", ["F32", pytest.param("BF16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [0.002, 0.02, 0.1])
def test_small_and_sparse_trainings_are_no_mixtures(tmp_path: Path, size: float, dtype: str) -> None:
    """Half of the elements stay as they are, and small steps leave most values of sixteen bits."""

    def half_trained(name: str, value: np.ndarray) -> np.ndarray:
        moved = trained({name: value}, 33, size)[name]
        return np.where(np.random.default_rng(len(name)).random(value.shape) < 0.5, moved, value)

    assert merged(tmp_path, lambda n, b, m: half_trained(n, m[2]), dtype) is None


@pytest.mark.parametrize("share", [0.7, 0.9, 0.97])
def test_a_relative_that_shares_elements_with_a_parent_takes_no_weaker_parents_place(
    tmp_path: Path, share: float
) -> None:
    def relative(tuned: list[Weights]) -> Weights:
        own, moved = tuned[0], trained(tuned[0], 21, 0.05)
        kept = {name: np.random.default_rng(len(name)).random(value.shape) < share for name, value in own.items()}
        return {name: np.where(kept[name], value, moved[name]) for name, value in own.items()}

    found = merged(
        tmp_path,
        lambda n, b, m: task_vectors(
            b, [m[0], m[1], m[3]], (0.9, 0.9, 0.4), "magnitude", 0.35, agree=True, normalize=True
        ),
        relative=relative,
    )
    assert found is not None
    assert (set(found.parents), found.base, found.method) == ({1, 2, 4}, 0, "ties")


@pytest.mark.parametrize("size", [1e-2, 1e-3, 3e-4])
def test_a_parent_that_was_hardly_trained_moves_no_factor_of_the_other(tmp_path: Path, size: float) -> None:
    """DARE of mergekit rescales each tensor by itself, so that each has a factor of its own."""
    found = merged(
        tmp_path,
        lambda n, b, m: task_vectors(b, [m[1], m[5]], (0.8, 0.35), "random", seed=len(n)),
        relative=lambda tuned: trained(root(1), 31, size),
    )
    assert found is not None
    assert (set(found.parents), found.base) == ({2, 6}, 0)
    assert "dare_linear" in found.method.split("|")


def test_nearswap_towards_a_merge_is_not_towards_the_merges_own_parent(tmp_path: Path) -> None:
    """A merge that has most elements of a parent is itself the model that elements are moved to."""

    def fused(tuned: list[Weights]) -> Weights:
        return {name: arcee_fusion(tuned[1][name], tuned[3][name]) for name in tuned[0]}

    found = merged(tmp_path, lambda n, b, m: nearswap(m[2], m[5], 0.002), relative=fused)
    assert found is not None
    assert (found.method, set(found.parents)) == ("nearswap", {3, 6})


@pytest.mark.parametrize(
    ("thinned", "density", "agree", "method"),
    [
        ("magnitude", 0.6, True, "ties"),
        ("rank", 0.6, True, "della"),
        ("band", 0.8, True, "breadcrumbs_ties"),
    ],
)
@pytest.mark.parametrize("weights", [(0.55, 0.78, 0.98), (0.81, 0.87, 0.34)])
def test_means_of_three_with_weights_of_their_own_name_all_parents(
    tmp_path: Path, thinned: str, density: float, agree: bool, method: str, weights: tuple[float, ...]
) -> None:
    found = merged(
        tmp_path,
        lambda n, b, m: np.asarray(
            b + 0.8 * (task_vectors(b, m[1:4], weights, thinned, density, agree=agree, normalize=True) - b), np.float32
        ),
    )
    assert found is not None
    assert (set(found.parents), found.base) == ({2, 3, 4}, 0)
    assert method in found.method.split("|")


@pytest.mark.parametrize("density", [0.7, 0.8])
@pytest.mark.parametrize("weights", [(0.43, 0.96, 0.39), (0.9, 0.6, 0.3)])
def test_a_third_parent_shows_in_what_the_sum_of_two_leaves(
    tmp_path: Path, density: float, weights: tuple[float, ...]
) -> None:
    """Breadcrumbs that drop few elements leave hardly any to the third parent alone, here a merge of both and another."""

    def mixed(tuned: list[Weights]) -> Weights:
        base = root(1)
        return {
            name: task_vectors(
                value, [tuned[at][name] for at in (0, 1, 3)], (0.9, 0.9, 0.7), "band", 0.8, agree=True, normalize=True
            )
            for name, value in base.items()
        }

    found = merged(
        tmp_path, lambda n, b, m: task_vectors(b, [m[1], m[3], m[5]], weights, "band", density), relative=mixed
    )
    assert found is not None
    assert (set(found.parents), found.base) == ({2, 4, 6}, 0)
    assert "breadcrumbs" in found.method.split("|")


def test_a_float32_merge_with_a_parent_of_sixteen_bits_was_not_computed_in_these(tmp_path: Path) -> None:
    """Half of the elements are the parent's values of bfloat16, the others were computed from values of float32."""

    def stored(tuned: list[Weights]) -> Weights:
        return {name: round_to_dtype(value, "BF16") for name, value in trained(tuned[1], 12, 0.03).items()}

    found = merged(tmp_path, lambda n, b, m: nearswap(m[2], m[5], 0.005), relative=stored)
    assert found is not None
    assert (found.method, set(found.parents)) == ("nearswap", {3, 6})
