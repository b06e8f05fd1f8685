"""The problem that merge search solves: inner products about the mean, and who may be the base of whom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.merges.merge import Merge, build_merge_problem, max_rounding_error, noise_precision
from ingest.weights.pairwise.quantization_grid import detect_grids
from ingest.weights.samples.aligned_samples import sq_distances
from tests.support.changes import dare, vectors
from tests.support.families import root, trained


def test_inputs_of_a_merge_are_its_parents_and_its_base() -> None:
    made = Merge((2, 1), (0.6, 0.4), None, "linear", 0.0, 1.0)
    assert made.inputs == (2, 1)
    assert made._replace(base=0).inputs == (2, 1, 0)


def test_a_sparse_merge_shares_values_with_its_base_alone(tmp_path: Path) -> None:
    base = root(1)
    tuned = [trained(base, seed) for seed in (2, 3)]
    made = {name: dare(value, [each[name] for each in tuned], 0.7, name) for name, value in base.items()}
    family = vectors(tmp_path, *((model, "F32") for model in (base, *tuned, made)))
    problem = build_merge_problem(family, sq_distances(family), detect_grids(family))
    assert problem.is_possible_base[3].tolist() == [True, False, False, True]
    assert not problem.is_possible_base[1, [0, 2]].any()


def test_inner_products_are_about_the_mean(tmp_path: Path) -> None:
    base = root(1)
    family = vectors(tmp_path, *((model, "F32") for model in (base, trained(base, 2), trained(base, 3))))
    problem = build_merge_problem(family, sq_distances(family), detect_grids(family))
    flat = problem.search_vectors.flat.astype(np.float64)
    centred = flat - flat.mean(0)
    assert problem.gram == pytest.approx(centred @ centred.T / centred.shape[1])
    assert problem.gram.sum() == pytest.approx(0, abs=1e-12)


def test_a_uniform_error_has_the_variance_of_its_noise() -> None:
    """A value rounded to a step d is off by d / 2 at most, and its variance is d² / 12."""
    step = 0.03
    noise = np.full((4, 32), step**2 / 12, np.float32)
    assert max_rounding_error(noise) == pytest.approx(np.full((4, 32), step / 2))
    assert noise_precision(noise) == pytest.approx(np.full(128, 12**0.5 / step), rel=1e-4)
