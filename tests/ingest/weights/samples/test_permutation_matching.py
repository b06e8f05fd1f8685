"""Tests of `ingest/weights/samples/permutation_matching.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.formats.open_model import open_model
from ingest.weights.samples.permutation_matching import (
    compose,
    is_permuted,
    match_units,
    permute_units,
    same_permutation,
)
from tests.support.changes import permuted
from tests.support.families import root, write


def test_a_permutation_is_undone_to_the_last_bit(tmp_path: Path) -> None:
    base = root(1)
    write(tmp_path / "a", base)
    write(tmp_path / "b", permuted(base, 4))
    with open_model(tmp_path / "a") as original, open_model(tmp_path / "b") as moved:
        order = match_units(moved, original)
        assert order is not None
        assert is_permuted(order)
        found = permute_units(moved, order)
        for name, matrix in original.matrices.items():
            rows = np.arange(matrix.rows)
            np.testing.assert_array_equal(found.matrices[name].read(rows[::-1]), matrix.read(rows[::-1]))
        same = match_units(original, original)
        assert same is not None
        assert not is_permuted(same)
        back = match_units(original, moved)
        assert back is not None
        assert not is_permuted(compose(order, back))
        assert not same_permutation(order, back)


def test_models_whose_units_do_not_match_have_no_order(tmp_path: Path) -> None:
    write(tmp_path / "a", root(1))
    write(tmp_path / "b", root(2))
    with open_model(tmp_path / "a") as one, open_model(tmp_path / "b") as other:
        assert match_units(one, other) is None
