"""Tests of `ingest/weights/pairwise/residual_containment.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.pairwise.residual_containment import (
    LOG_STANDARD_ERROR,
    MEASUREMENTS,
    PLAIN_SPREAD,
    SHARE,
    UNWEIGHTED_LOG_ERROR,
    UNWEIGHTED_SHARE,
    containment,
    small_singular_residual,
)
from ingest.weights.samples.aligned_samples import log_distances_by_part
from tests.support.changes import vectors
from tests.support.families import Weights, root, trained
from tests.support.parts import HEAD, INTO_HEADS, INTO_MLP, OUT_OF_HEADS, OUT_OF_MLP, WORDS


def test_positions_that_training_drowned_count_less(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2, 0.02)

    def drowned(start: Weights, seed: int) -> Weights:
        """Train the upper half of each matrix hard, the lower hardly."""
        loud, quiet = trained(start, seed, 1.0), trained(start, seed + 50, 0.01)
        return {
            name: np.concatenate((loud[name][: len(value) // 2], quiet[name][len(value) // 2 :]))
            for name, value in start.items()
        }

    family = vectors(tmp_path, *((model, "F32") for model in (base, near, drowned(near, 3), drowned(base, 4))))
    held = containment(family, small_singular_residual(family, 1, 0), [2, 3])
    assert held[:, SHARE] == pytest.approx([1, 0], abs=0.1)
    assert np.abs(held[:, UNWEIGHTED_SHARE] - [1, 0]).max() > 3 * np.abs(held[:, SHARE] - [1, 0]).max()
    assert (held[:, LOG_STANDARD_ERROR] < held[:, UNWEIGHTED_LOG_ERROR]).all(), "surer, too"


def test_equal_decay_of_untrained_weights_is_no_containment(tmp_path: Path) -> None:
    """Rows that no training reached shrink equally in all: the share there is one for siblings, too."""
    base = root(1)
    words = "model.embed_tokens.weight"

    def decayed(start: Weights, seed: int, factor: float) -> Weights:
        return trained(start, seed, 0.3) | {words: np.asarray(start[words] * factor, np.float32)}

    near = decayed(base, 2, 0.999)
    child, sibling = decayed(near, 3, 1.0), decayed(base, 4, 0.999)
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, child, sibling)))
    held = containment(family, small_singular_residual(family, 1, 0), [2, 3])
    assert held[:, SHARE] == pytest.approx([1, 1], abs=0.05)
    assert held[0, PLAIN_SPREAD] < 0.2 and held[1, PLAIN_SPREAD] > 0.6


def test_a_trace_is_carried_part_by_part(tmp_path: Path) -> None:
    """A model that has its MLPs of the child, all else of the parent."""
    base = root(1)
    near = trained(base, 2)
    half = {name: (near if ".mlp." in name else base)[name] for name in base}
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, trained(half, 3, 0.05))))
    held = containment(family, small_singular_residual(family, 1, 0), [2])
    assert held.shape == (1, MEASUREMENTS)
    shares = held[0, UNWEIGHTED_LOG_ERROR + 1 :]
    assert shares[[INTO_MLP, OUT_OF_MLP]] == pytest.approx(1, abs=0.1)
    assert shares[[WORDS, INTO_HEADS, OUT_OF_HEADS, HEAD]] == pytest.approx(0, abs=0.1)


def test_for_parts_that_a_network_lacks_all_of_it_counts(tmp_path: Path) -> None:
    base = {name: value for name, value in root(1).items() if "embed" not in name and "lm_head" not in name}
    near = trained(base, 2)
    half = {name: (near if ".mlp." in name else base)[name] for name in base}
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, trained(half, 3, 0.05))))
    apart = np.linalg.norm((family.flat[0] - family.flat[2]).astype(np.float64))
    assert log_distances_by_part(family)[0, 2, [WORDS, HEAD]] == pytest.approx(np.log(apart), abs=1e-4)
    shares = containment(family, small_singular_residual(family, 1, 0), [2])[0, UNWEIGHTED_LOG_ERROR + 1 :]
    assert shares[[INTO_MLP, OUT_OF_MLP]] == pytest.approx(1, abs=0.1)
    assert shares[[INTO_HEADS, OUT_OF_HEADS]] == pytest.approx(0, abs=0.1)
    assert 0.2 < shares[WORDS] == shares[HEAD] < 0.8


def test_a_descendant_carries_the_trace_and_a_sibling_does_not(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2)
    child, sibling = trained(near, 3), trained(base, 4, 0.05)
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, child, sibling)))
    share = containment(family, small_singular_residual(family, 1, 0), [2, 3])[:, 0]
    assert share[0] == pytest.approx(1, abs=0.15)
    assert share[1] == pytest.approx(0, abs=0.15)


def test_drift_that_siblings_share_is_no_trace(tmp_path: Path) -> None:
    """Both move by the same rank-two drift, ten times their own noise: the plain share is near one, the trace is not."""
    base, rng = root(1), np.random.default_rng(5)
    drift = {
        name: (rng.normal(size=(len(value), 2)) @ rng.normal(size=(2, value.shape[1])) * 0.02).astype(np.float32)
        for name, value in base.items()
        if value.ndim > 1
    }
    drifted = {name: value + drift.get(name, 0) for name, value in base.items()}
    first, second = trained(drifted, 6, 0.03), trained(drifted, 7, 0.03)
    family = vectors(tmp_path, *((model, "F32") for model in (base, first, second)))
    share, plain = containment(family, small_singular_residual(family, 1, 0), [2])[0, :2]
    assert plain > 0.9
    assert abs(share) < 0.35
