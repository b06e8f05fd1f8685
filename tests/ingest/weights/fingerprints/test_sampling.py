"""Tests of `ingest/weights/fingerprints/sampling.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.fingerprints.sampling import allocate_positions, hashed_row_order
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import align
from tests.support.families import print_of, root, write


def test_every_sampled_element_is_the_models_own(tmp_path: Path) -> None:
    weights = root(3)
    folder = write(tmp_path / "m", weights)
    item = print_of(folder)
    names = [f"model.{name}" if not name.startswith("lm_head") else name for name in item.sample.names]
    for place, values in enumerate(item.sample.values):
        whole = weights[names[item.sample.tensor[place]]]
        assert any(
            np.array_equal(row[start : start + 32], values) and item.sample.row_max[place] == np.abs(row).max()
            for row in whole
            for start in range(0, len(row), 32)
        )
    assert len(set(item.sample.keys.tolist())) == SAMPLE.fingerprint_positions


def test_a_grown_vocabulary_keeps_nearly_all_positions(tmp_path: Path) -> None:
    old, new = root(5), root(5, 272)
    new |= {name: value for name, value in old.items() if value.shape == new[name].shape}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        new[name][:256] = old[name]
    prints = [print_of(write(tmp_path / name, weights)) for name, weights in (("old", old), ("new", new))]
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    assert len(vectors.tensor) > 0.9 * SAMPLE.fingerprint_positions
    np.testing.assert_array_equal(vectors.values[0], vectors.values[1])
    assert prints[0].family_key == prints[1].family_key


def test_a_larger_sample_holds_the_smaller_one() -> None:
    assert hashed_row_order("x", 1000, 50)[:20].tolist() == hashed_row_order("x", 1000, 20).tolist()
    names = [f"layers.{n}.w" for n in range(7)]
    assert sum(allocate_positions(names, SAMPLE.fingerprint_positions).values()) == SAMPLE.fingerprint_positions
    assert sum(allocate_positions(names, SAMPLE.detail_positions).values()) == SAMPLE.detail_positions
    assert len(allocate_positions(names, 3)) == 3


@pytest.mark.parametrize("wanted", [0, 1, 7, 99, 100, 101, 500])
def test_the_order_of_rows_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch, wanted: int) -> None:
    whole = hashed_row_order("x", 100, wanted)
    assert (len(whole), len(set(whole.tolist()))) == (min(wanted, 100), min(wanted, 100))
    monkeypatch.setattr("ingest.weights.fingerprints.sampling.ROWS_AT_ONCE", 8)
    np.testing.assert_array_equal(hashed_row_order("x", 100, wanted), whole)
