"""Tests of `ingest/formats/quantized/scale_blocks.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile
from ingest.formats.quantized.scale_blocks import ScaleBlocks, block_of, group_of
from ingest.formats.quantized.stored_tensors import StoredTensor, UnreadableTensorError
from ingest.formats.safetensors import read_header


def stored(folder: Path, values: np.ndarray) -> StoredTensor:
    save_file({"s": values}, folder / "s.safetensors")
    source = LocalFile(folder / "s.safetensors")
    return source, read_header(source).tensors[0]


@pytest.mark.parametrize(
    ("shape", "block", "row_side", "column_side"),
    [
        ((), (None, None), 200, 300), ((1,), (None, None), 200, 300), ((200,), (None, None), 1, 300),
        ((200, 1), (None, None), 1, 300), ((2, 3), (128, 128), 128, 128), ((2, 3), (None, None), 128, 128),
        ((200, 10), (None, None), 1, 30), ((200, 10), (1, 32), 1, 32), ((4, 5), (60, 70), 60, 70),
    ],
)  # fmt: skip
def test_every_element_gets_the_scale_of_its_block(
    tmp_path: Path, shape: tuple[int, ...], block: tuple[int | None, int | None], row_side: int, column_side: int
) -> None:
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    scales = ScaleBlocks(stored(tmp_path, np.array(values)), 200, 300, block)
    rows = np.array([0, 1, 127, 128, 199, 5])
    found = np.broadcast_to(scales.spread(scales.read(rows)), (len(rows), 300))
    table = values.reshape(-1, shape[-1] if len(shape) > 1 else 1)
    np.testing.assert_array_equal(found, table[rows // row_side][:, np.arange(300) // column_side])


def test_blocks_that_cannot_be_told_are_refused(tmp_path: Path) -> None:
    scale = stored(tmp_path, np.ones((7, 1), np.float32))
    with pytest.raises(UnreadableTensorError, match="7 scales along a side of 200"):
        ScaleBlocks(scale, 200, 300)
    with pytest.raises(UnreadableTensorError, match="stacked matrices of 100 rows in blocks of 128"):
        ScaleBlocks(stored(tmp_path, np.ones((2, 1), np.float32)), 200, 300).require_whole(100)


def test_an_order_that_names_no_block_is_damage(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    scale, order = stored(tmp_path, np.ones((2, 3), np.float32)), stored(tmp_path / "o", np.array([0, 1, 2, 3]))
    scales = ScaleBlocks(scale, 2, 4, order=order)
    with pytest.raises(WeightsError, match="have no scale"):
        scales.spread(scales.read(np.array([0])))
    with pytest.raises(UnreadableTensorError, match="an order of 4 columns for 5"):
        ScaleBlocks(scale, 2, 5, order=order)


def test_what_is_no_block_counts_as_not_stated() -> None:
    assert block_of([128, 64]) == (128, 64)
    assert [block_of(each) for each in (None, [128], [0, 1], ["a", 1], [True, 1])] == [(None, None)] * 5
    assert [group_of(each) for each in (32, -1, None, "32", True)] == [32, None, None, None, None]
