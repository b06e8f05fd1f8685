"""Tests of `ingest/weights/adapters/base_fit.py`: null distributions, and what moves the statistics."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.weights.adapters.base_fit import Accumulator, log_likelihood
from ingest.weights.adapters.base_matrices import ModuleView
from ingest.weights.adapters.contained_steps import step_log_likelihoods


def view(matrix: np.ndarray) -> ModuleView:
    gram = matrix @ matrix.T
    gram = gram / np.trace(gram)
    other = matrix.T @ matrix
    values, vectors = np.linalg.eigh(gram)
    spectrum = (np.maximum(values, 0) * len(gram), vectors)
    return ModuleView(matrix, gram, other / np.trace(other), spectrum, gram, spectrum)


def matrix(rng: np.random.Generator) -> np.ndarray:
    """Return a matrix with an uneven spectrum and units of uneven size."""
    made = rng.normal(size=(48, 6)) @ rng.normal(size=(6, 48)) + rng.normal(size=(48, 48))
    return np.asarray(made * rng.uniform(0.1, 3, size=(48, 1)), np.float32)


@pytest.mark.slow
def test_unrelated_models_have_z_of_a_normal_distribution() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(200):
        sums = Accumulator(1)
        for _module in range(4):
            sizes = rng.uniform(0.1, 3, size=(48, 1))
            sums.add_update(
                (rng.normal(size=(48, 4)) * sizes).astype(np.float32),
                rng.normal(size=(48, 4)).astype(np.float32),
                [view(matrix(rng))],
            )
        found.append((sums.fit().outputs[0], sums.fit().inputs[0]))
    values = np.array(found)
    assert abs(values.mean(0)).max() < 0.25 and (values.std(0) > 0.7).all() and (values.std(0) < 1.35).all()
    assert values.max() < 5


def test_the_model_whose_matrices_stretch_the_update_fits_best() -> None:
    rng = np.random.default_rng(2)
    models = [matrix(rng)]
    models += [models[0] + 0.3 * matrix(rng), matrix(rng)]
    sums = Accumulator(3)
    for _ in range(6):
        left = (models[1] @ rng.normal(size=(48, 6))).astype(np.float32)
        sums.add_update(left, rng.normal(size=(48, 6)).astype(np.float32), [view(each) for each in models])
    fit = sums.fit()
    assert fit.outputs[0] > 6 and fit.outputs[1] > 6 and abs(fit.outputs[2]) < 4
    np.testing.assert_allclose(fit.reached, fit.outputs, err_msg="here the partner has the same Gram matrix")
    assert fit.own.argmax() == fit.partner.argmax() == 1
    assert fit.modules == 6
    for pairs in fit.pairs.values():
        np.testing.assert_allclose(pairs, -pairs.T, atol=1e-6)


def test_gradients_that_came_through_another_matrix_show_it() -> None:
    rng = np.random.default_rng(5)
    own, partners = matrix(rng), [matrix(rng), matrix(rng)]
    views = [view(own)._replace(reached=view(each).outputs, partner=view(each).own) for each in partners]
    sums = Accumulator(2)
    for _ in range(6):
        sums.add_update((partners[0] @ rng.normal(size=(48, 6))).astype(np.float32), np.zeros((0, 6)), views)
    fit = sums.fit()
    assert fit.reached[0] > 6 and abs(fit.reached[1]) < 4
    assert (abs(fit.outputs) < 5).all(), "the module's own matrix says nothing of it"


def test_overlap_names_the_model_that_moved_the_same_way() -> None:
    rng = np.random.default_rng(3)
    start, left, right = matrix(rng), rng.normal(size=(48, 4)), rng.normal(size=(48, 4))
    moved = start + 0.1 * left @ right.T + 0.1 * rng.normal(size=(48, 48))
    sums = Accumulator(3)
    other = start + 0.1 * rng.normal(size=(48, 48))
    sums.add_update(
        left.astype(np.float32),
        right.astype(np.float32),
        [view(each.astype(np.float32)) for each in (start, moved, other)],
    )
    overlap = sums.fit().pairs["overlap"]
    assert overlap[0, 1] > 5 and abs(overlap[0, 2]) < 4


def test_copies_correlate_with_the_family_and_are_nearest_to_the_base() -> None:
    rng = np.random.default_rng(4)
    start = rng.normal(size=400)
    child, stranger = start + 0.3 * rng.normal(size=400), rng.normal(size=400)
    sums = Accumulator(3)
    sums.add_copy(child + 0.2 * rng.normal(size=400), [start, child, stranger], structured=False)
    fit = sums.fit()
    assert fit.copied[0] > 6 and fit.copied[1] > fit.copied[0] and fit.copied[2] == 0
    assert int(np.argmax(step_log_likelihoods(fit.contained, [None, 0, None]))) == 1
    sums = Accumulator(2)
    sums.add_copy(start, [start, stranger], structured=True)
    assert not sums.fit().copied.any(), "norms of rows are alike in unrelated models"


def test_likelihood_allows_for_uneven_spectra() -> None:
    rng = np.random.default_rng(5)
    even, vectors = np.ones(48), np.linalg.qr(rng.normal(size=(48, 48)))[0]
    steep = np.geomspace(1, 300, 48)
    steep /= steep.mean()
    white = rng.normal(size=(48, 8))
    assert log_likelihood(white, steep, vectors) == pytest.approx(log_likelihood(white, even, vectors), abs=6)
    coloured = vectors @ (np.sqrt(steep)[:, None] * white)
    assert log_likelihood(coloured, steep, vectors) > log_likelihood(coloured, even, vectors) + 50
    assert log_likelihood(7 * coloured, steep, vectors) == pytest.approx(
        log_likelihood(coloured, steep, vectors), rel=1e-6
    )
