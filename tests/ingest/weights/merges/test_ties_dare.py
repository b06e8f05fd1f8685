"""Tests of `ingest/weights/merges/ties_dare.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.merge import build_merge_problem
from ingest.weights.merges.merge_search import find_merge
from ingest.weights.pairwise.quantization_grid import detect_grids, storage_noise
from ingest.weights.samples.aligned_samples import sq_distances
from tests.support.changes import dare, merged, ties, vectors
from tests.support.families import root, trained


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_sparse_merges_name_base_and_parents(tmp_path: Path, method: str) -> None:
    made = ties if method == "ties" else lambda base, models, density: dare(base, models, density, "x")
    found = merged(tmp_path, lambda n, b, m: made(b, [m[1], m[3]], 0.5))
    assert found is not None
    assert found.method.startswith(method) or method in found.method.split("|")
    assert (set(found.parents), found.base) == ({2, 4}, 0)
    assert found.explained > 0.95


def test_three_dense_task_vectors_leave_little_of_the_base(tmp_path: Path) -> None:
    """Of three parents that each keep .7, a thirty-seventh of the elements is the base's."""
    found = merged(tmp_path, lambda n, b, m: dare(b, [m[0], m[1], m[3]], 0.7, n))
    assert found is not None
    assert (found.method, set(found.parents), found.base) == ("dare_linear", {1, 2, 4}, 0)


def test_parents_that_are_made_of_each_other_hide_the_scale(tmp_path: Path) -> None:
    """Where two task vectors point the same way, most elements mix them, and the highest spike is not the scale."""
    base = root(1)
    whole = trained(base, 2, 0.1)
    half = {name: (0.5 * whole[name] + 0.5 * value).astype(np.float32) for name, value in base.items()}
    made = {name: dare(value, [whole[name], half[name]], 0.65, name) for name, value in base.items()}
    family = vectors(tmp_path, *((model, "F32") for model in (base, whole, half, trained(base, 3, 0.1), made)))
    found = find_merge(
        build_merge_problem(family, sq_distances(family), detect_grids(family)),
        4,
        range(4),
        storage_noise(family, 4, ""),
    )
    assert found is not None
    assert (found.method, set(found.parents), found.base) == ("dare_linear|dare_ties", {1, 2}, 0)
    assert found.weights == pytest.approx((0.5 / 0.65,) * 2, abs=0.01)


def test_a_pruned_model_is_no_base(tmp_path: Path) -> None:
    """Small steps leave many values of sixteen bits as they are; zeros seem to have moved equally in all relatives."""
    base = root(1)
    tuned = [trained(base, seed, 0.003) for seed in (2, 3, 5)]
    pruned = {n: np.where(np.abs(v) > 0.02, v, 0) if v.ndim > 1 else v for n, v in tuned[0].items()}
    family = vectors(tmp_path, *((model, "BF16") for model in (base, *tuned, pruned)))
    found = find_merge(
        build_merge_problem(family, sq_distances(family), detect_grids(family)),
        0,
        range(1, 5),
        storage_noise(family, 0, ""),
    )
    assert found is None
