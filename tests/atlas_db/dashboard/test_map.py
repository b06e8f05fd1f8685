"""Tests of `atlas_db/dashboard/map.py`."""

from __future__ import annotations

from atlas_db.dashboard import map
from tests.support.drawing import contrast


def test_cells_stand_out_from_the_ground_of_the_map() -> None:
    for colour in (*map.INK, map.REST, map.RED, map.AMBER, map.GREEN, map.BLUE):
        assert contrast(colour, map.GROUND) >= 3, colour
