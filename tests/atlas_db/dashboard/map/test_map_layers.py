"""Tests of `atlas_db/dashboard/map/map_layers.py`."""

from __future__ import annotations

from atlas_db.dashboard.map import map_layers
from tests.support.drawing import contrast


def test_cells_stand_out_from_the_ground_of_the_map() -> None:
    inks = (map_layers.RED, map_layers.AMBER, map_layers.GREEN, map_layers.BLUE, map_layers.REST, map_layers.MISSING)
    for colour in (*map_layers.INK, *inks):
        assert contrast(colour, map_layers.GROUND) >= 3, colour


def test_the_codes_of_all_layers_fit_a_model_without_overlap() -> None:
    bits = [
        (slot.byte, slot.shift + bit) for slot in map_layers.SLOTS.values() for bit in range(slot.mask.bit_length())
    ]
    assert len(bits) == len(set(bits))
    assert {byte for byte, _ in bits} == set(range(5, 9))
    assert all(bit < 8 for _, bit in bits)
