"""Weights read again: a larger sample of the same model, in another order where one is given, None out of reach."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.samples.aligned_samples import align
from ingest.weights.samples.resample import Resampler
from tests.support.changes import permuted
from tests.support.families import print_of, root, write


def two(folder: Path) -> tuple[Fingerprint, Fingerprint]:
    base = root(1)
    return print_of(write(folder / "a", base)), print_of(write(folder / "b", permuted(base, 3)))


def test_a_larger_sample_holds_the_smaller_one(tmp_path: Path) -> None:
    item, _ = two(tmp_path)
    larger = Resampler().sample(item)
    assert larger is not None and len(larger.values) > len(item.sample.values)
    together = align([item.sample, larger], [item.dtype] * 2)
    assert len(together.tensor) == len(item.sample.values)
    np.testing.assert_array_equal(together.values[0], together.values[1])


def test_units_are_put_in_the_order_of_a_reference(tmp_path: Path) -> None:
    item, moved = two(tmp_path)
    order = Resampler().match_units(moved, item)
    assert order is not None
    straight, found = Resampler().sample(item), Resampler().sample(moved, order)
    assert straight is not None and found is not None
    np.testing.assert_array_equal(straight.values, found.values)


def test_weights_that_are_gone_are_none(tmp_path: Path) -> None:
    item, moved = two(tmp_path)
    shutil.rmtree(tmp_path / "b")
    assert Resampler().sample(moved) is None
    assert Resampler().match_units(moved, item) is None
    assert Resampler().match_units(item, moved) is None
