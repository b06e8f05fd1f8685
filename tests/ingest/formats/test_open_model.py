"""Tests of `ingest/formats/open_model.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.matrix import matrix_shape
from ingest.formats.open_model import open_model
from tests.support.families import HEADS, root, write
from tests.support.packing import values


def test_shards_and_one_file_hold_the_same_matrices(tmp_path: Path) -> None:
    weights = root(1)
    write(tmp_path / "one", weights)
    write(tmp_path / "three", weights, shards=3)
    with open_model(tmp_path / "one") as one, open_model(tmp_path / "three") as three:
        assert one.matrices.keys() == three.matrices.keys()
        for name, matrix in one.matrices.items():
            np.testing.assert_array_equal(values(matrix), values(three.matrices[name]))
        assert one.heads == HEADS


def test_a_folder_without_readable_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights"):
        open_model(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    with pytest.raises(WeightsError, match="only pickles"):
        open_model(tmp_path)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((5, 7), (5, 7)), ((9,), (1, 9)), ((8, 4, 3, 3), (8, 36)), ((6, 100, 64), (600, 64)), ((), (1, 1))],
)
def test_sides(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert matrix_shape(shape) == expected
