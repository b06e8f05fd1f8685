"""Tests of `ingest/weights/merges/merge_search.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.weights.merges.merge import build_merge_problem
from ingest.weights.merges.merge_search import find_merge
from ingest.weights.pairwise.quantization_grid import detect_grids, storage_noise
from ingest.weights.samples.aligned_samples import sq_distances
from tests.support.changes import merged, quantized, slerp, vectors
from tests.support.families import root, trained


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize(
    ("make", "method", "parents", "weights"),
    [
        (lambda n, b, m: 0.3 * m[0] + 0.7 * m[2], "linear", {1, 3}, (0.7, 0.3)),
        (lambda n, b, m: 0.2 * m[0] + 0.5 * m[1] + 0.3 * m[3], "linear", {1, 2, 4}, (0.5, 0.3, 0.2)),
        (lambda n, b, m: slerp(m[0], m[1], 0.4), "slerp", {1, 2}, (0.6, 0.4)),
        (lambda n, b, m: b + 0.8 * (m[1] - b) + 0.8 * (m[2] - b), "task_arithmetic", {2, 3}, (0.8, 0.8)),
    ],
)
def test_merges_and_their_weights(
    tmp_path: Path, make: object, method: str, parents: set[int], weights: tuple[float, ...], dtype: str
) -> None:
    found = merged(tmp_path, make, dtype)
    assert found is not None
    assert set(found.parents) == parents
    assert found.weights == pytest.approx(weights, abs=0.03)
    if dtype == "F32":
        assert found.method == method
    assert (found.base == 0) == (method == "task_arithmetic")


def test_a_merge_is_found_though_another_of_the_same_parents_is_as_near_as_rounding(tmp_path: Path) -> None:
    base = root(1)
    first, second = trained(base, 2, 0.1), trained(base, 3, 0.1)
    mean = {name: 0.5 * value + 0.5 * second[name] for name, value in first.items()}
    turned = {name: slerp(value, second[name], 0.55) for name, value in first.items()}
    family = vectors(tmp_path, *((model, "F32") for model in (base, first, second, mean)), (turned, "BF16"))
    squared, grids = sq_distances(family), detect_grids(family)
    noise = storage_noise(family, 4, "")
    assert squared[4, 3] < 20 * noise.sum(), "hardly further from the other merge than rounding may take it"
    found = find_merge(build_merge_problem(family, squared, grids), 4, range(4), noise)
    assert found is not None and set(found.parents) == {1, 2}
    assert found.weights == pytest.approx((0.55, 0.45), abs=0.03)


def test_a_quantized_merge_still_names_its_parents(tmp_path: Path) -> None:
    found = merged(
        tmp_path, lambda n, b, m: quantized(0.4 * m[0] + 0.6 * m[2], 8, 0) if "_proj" in n else 0.4 * m[0] + 0.6 * m[2]
    )
    assert found is not None
    assert set(found.parents) == {1, 3}


@pytest.mark.parametrize(
    "make", [lambda n, b, m: trained({n: m[0]}, 77, 0.05)[n], lambda n, b, m: b, lambda n, b, m: m[0] + 0.001 * m[0]]
)
def test_what_is_no_merge_is_not_called_one(tmp_path: Path, make: object) -> None:
    assert merged(tmp_path, make) is None


def test_a_step_as_small_as_rounding_is_no_merge_of_siblings(tmp_path: Path) -> None:
    """The residual is compared with the distance to the nearest model, not to whichever is named first."""
    base = root(1)
    near = [trained(base, seed, 0.002) for seed in (2, 3, 4)]
    family = vectors(tmp_path, *((model, "BF16") for model in (trained(base, 8, 1.5), base, *near)))
    grids = detect_grids(family)
    view = build_merge_problem(family, sq_distances(family), grids)
    assert find_merge(view, 4, [0, 1, 2, 3], storage_noise(family, 4, grids[4]), permuted=True) is None


@pytest.mark.parametrize(("step", "share"), [(0.1, 0.5), (0.05, 0.9), (0.02, 0.1), (0.01, 0.5)])
def test_two_casts_of_a_model_that_is_not_here_are_no_merge(tmp_path: Path, step: float, share: float) -> None:
    """Values that were rounded twice are off by one step in few places, where a relative of the model comes near."""
    base = root(1)
    parent, other = trained(base, 7, 0.3), trained(base, 3, 0.3)
    absent = trained(parent, 2, step)
    relative = {name: value + share * (absent[name] - value) for name, value in parent.items()}
    family = vectors(
        tmp_path, *((model, "F32") for model in (base, parent, other, relative)), (absent, "F16"), (absent, "BF16")
    )
    view = build_merge_problem(family, sq_distances(family), detect_grids(family))
    assert find_merge(view, 5, range(5), storage_noise(family, 5, "")) is None


def test_the_parent_of_a_merge_is_not_taken_for_a_merge(tmp_path: Path) -> None:
    """A = 2 M - B holds as exactly as M = (A + B) / 2 does."""
    base = root(1)
    first, second = trained(base, 2), trained(base, 3)
    middle = {name: (value + second[name]) / 2 for name, value in first.items()}
    family = vectors(tmp_path, (base, "F32"), (middle, "F32"), (second, "F32"), (first, "F32"))
    view = build_merge_problem(family, sq_distances(family), detect_grids(family))
    assert find_merge(view, 3, [0, 1, 2], storage_noise(family, 3, "")) is None
    assert find_merge(view, 1, [0, 2, 3], storage_noise(family, 1, "")) is not None
