"""Tests of `atlas_db/dashboard/map/selection.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import UsageError
from atlas_db.dashboard.map.model_map import STRIDE
from atlas_db.dashboard.map.selection import COLUMNS, MAX_SELECTED, decode_positions, nearest_above, selected_models


def _nearest_by_walking(depth: list[int]) -> list[int]:
    """The parent as the page finds it: the first model before it that is less deep."""
    return [
        next((above for above in range(at - 1, -1, -1) if own and depth[above] < own), -1)
        for at, own in enumerate(depth)
    ]


def test_the_parent_is_the_one_that_the_page_finds() -> None:
    drawn = np.random.default_rng(0)
    for _ in range(20):
        depth = [0]
        while len(depth) < 60:
            depth.append(int(drawn.integers(0, depth[-1] + 2)))
        assert nearest_above(np.array(depth, np.uint8)).tolist() == _nearest_by_walking(depth)
    assert nearest_above(np.array([], np.uint8)).tolist() == []


def test_rows_stand_in_the_order_of_the_page(tmp_path: Path) -> None:
    layers = [
        {"name": name, "byte": 5, "shift": 2, "mask": 3, "legend": [{"word": f"{name} {code}"} for code in range(4)]}
        for name in COLUMNS
    ]
    # Five bytes a model and a code: the third is an absent origin, whose bit is not part of its generation.
    records = [(0, 0, 0, 0, 0, 4), (0, 0, 0, 0, 1, 8), (0, 0, 0, 0, 128, 15)]
    (tmp_path / "models.bin").write_bytes(b"".join(bytes(each).ljust(STRIDE, b"\0") for each in records))
    table = selected_models(tmp_path, layers, ["a/root", "b/child", "c/origin"], np.array([2, 1]))
    assert table.column_names == ["model", "parent", *COLUMNS]
    assert table["model"].to_pylist() == ["c/origin", "b/child"]
    assert table["parent"].to_pylist() == ["", "a/root"]
    assert table["license"].to_pylist() == ["license 3", "license 2"]


@pytest.mark.parametrize(
    "body", [b"", b"abc", np.array([3], "<u4").tobytes(), b"\xff" * 4, bytes(4 * MAX_SELECTED + 4)], ids=len
)
def test_positions_that_are_not_on_the_map_are_refused(body: bytes) -> None:
    assert decode_positions(np.array([2, 0], "<u4").tobytes(), 3).tolist() == [2, 0]
    with pytest.raises(UsageError):
        decode_positions(body, 3)
