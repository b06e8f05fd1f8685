"""Territories on the map: an island for each group of models, at a place that stays when the atlas grows.

A place depends on names only. Groups are placed by open addressing, the largest first. The hash of a group's name
selects blocks of a Hilbert curve until one is free. A block has a power of two of cells, so that a group can grow in
it. An aligned block of a Hilbert curve is a square, or two. In its block a group takes the cells of an island: those
nearest to the middle, under a coastline that its name draws. Its members follow the curve over these cells, so that
whatever is contiguous in their order is contiguous on the island.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers, Keys
from atlas_db.core.hashing import mix64, name_hash

MAX_LOAD = 0.85
"""Largest share of a field that blocks reserve; above it the next size is used."""
MAX_ISLAND_SHARE = 0.8
"""Largest share of a block that its island covers; above it the next size of block is used."""
SHAPES = ((1, 1), (2, 1), (3, 2), (4, 3))
"""Columns and rows of squares of a field; a field on its side has rows and columns exchanged."""
MAX_PROBES = 64
"""Blocks that are tried for a group before it takes the next free one."""
PROBE_GROWTH = 1.15
"""Factor by which the range of tried blocks grows with each try."""
ROUGHNESS = (0.16, 0.11, 0.08, 0.05)
"""Amplitudes of a coastline's waves, relative to the radius: two waves around an island, then three, four and five."""
CHUNK = 1 << 22
"""Cells whose distances are computed at once."""
_STEP = 0x9E3779B97F4A7C15


class FieldSize(NamedTuple):
    """Size of a field: equal squares, each a power of two of cells wide.

    Attributes:
        side: Cells along a square.
        columns: Squares beside each other.
        rows: Squares above each other.
    """

    side: int
    columns: int
    rows: int

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.side**2 * self.columns * self.rows

    @property
    def width(self) -> int:
        """Columns of cells."""
        return self.side * self.columns

    @property
    def height(self) -> int:
        """Rows of cells."""
        return self.side * self.rows

    def curve(self) -> Integers:
        """Return the cells along the curve, square by square, shape (cells, 2)."""
        square = hilbert_curve(self.side)
        corners = [(column, row) for row in range(self.rows) for column in range(self.columns)]
        return np.concatenate([square + self.side * np.array(corner) for corner in corners])


def smallest_field(capacities: Integers, *, high: bool = False) -> FieldSize:
    """Return the smallest field that holds blocks of some capacities.

    Areas grow by a third to two, so that a growing atlas keeps its field for long.

    Args:
        capacities: Cells of each block, powers of two, shape (n,).
        high: Whether the field is at least as high as wide; else it is at least as wide as high.
    """
    total, largest = int(capacities.sum()), int(capacities.max(initial=1))
    side = 1 << math.ceil(math.log2(largest) / 2)
    found = [FieldSize(side << more, *shape[::-1] if high else shape) for more in range(16) for shape in SHAPES]
    return min((field for field in found if total <= MAX_LOAD * field.cells), key=lambda field: field.cells)


def name_keys(names: Sequence[str]) -> Keys:
    """Return a hash of each name, the same on all machines and in all versions, shape (n,)."""
    return np.array([name_hash(name) for name in names], np.uint64)


def capacity(sizes: Integers) -> Integers:
    """Return the number of cells reserved for each group: a power of two that leaves water around it, shape (n,)."""
    return np.int64(1) << np.ceil(np.log2(np.maximum(sizes / MAX_ISLAND_SHARE, 1))).astype(np.int64)


def place_members(names: Keys, sizes: Integers, field: FieldSize) -> Integers:
    """Return the column and row of the members of each group, group by group, shape (sizes.sum(), 2).

    Args:
        names: Keys of the groups, shape (n,).
        sizes: Members of the groups, at least 1, shape (n,).
        field: A field that holds them.
    """
    curve, capacities = field.curve(), capacity(sizes)
    start = place_groups(names, sizes, field.cells)
    out = np.zeros((int(sizes.sum()), 2), np.int64)
    first = np.cumsum(sizes) - sizes
    for cells in np.unique(capacities).tolist():
        same = np.flatnonzero(capacities == cells)
        step = max(1, CHUNK // cells)
        for part in (same[at : at + step] for at in range(0, len(same), step)):
            block = curve[start[part][:, None] + np.arange(cells)]
            taken = _island(block, names[part], sizes[part])
            group, place = np.nonzero(taken)
            rank = np.arange(len(group)) - np.repeat(np.cumsum(sizes[part]) - sizes[part], sizes[part])
            out[first[part][group] + rank] = block[group, place]
    return out


def _island(block: Integers, names: Keys, sizes: Integers) -> Flags:
    """Return which cells of some blocks are land, shape (blocks, cells); as many as each block has members."""
    middle = (block.min(axis=1, keepdims=True) + block.max(axis=1, keepdims=True)) / 2
    half = (block.max(axis=1, keepdims=True) - block.min(axis=1, keepdims=True) + 1) / 2
    x, y = np.moveaxis((block - middle) / half, 2, 0)
    angle = np.arctan2(y, x)
    reach = np.ones_like(angle)
    for wave, height in enumerate(ROUGHNESS, start=2):
        phase = _phases(names, wave)
        reach += height * np.sin(wave * angle + phase[:, None])
    # Ties, as in the blocks of few cells, go to the first along the curve.
    distance = np.hypot(x, y) / reach + 1e-9 * np.arange(block.shape[1])
    last = [np.partition(row, size)[size] for row, size in zip(distance, (sizes - 1).tolist(), strict=True)]
    return np.asarray(distance <= np.array(last)[:, None])


def _phases(names: Keys, wave: int) -> Doubles:
    return mix64(names + np.uint64(wave * _STEP % 2**64)).astype(np.float64) / 2.0**64 * 2 * np.pi


def place_groups(names: Keys, sizes: Integers, cells: int) -> Integers:
    """Return the first cell of the block of each group along the curve.

    Args:
        names: Keys of the groups, shape (n,).
        sizes: Members of the groups, shape (n,).
        cells: Cells of the curve; at most `MAX_LOAD` of them are reserved.

    Returns:
        First cells, multiples of the group's capacity, shape (n,). No two blocks overlap.
    """
    capacities = capacity(sizes)
    start = np.zeros(len(names), np.int64)
    taken = np.zeros(cells, np.bool_)
    for size in np.unique(capacities)[::-1].tolist():
        here = np.flatnonzero(capacities == size)
        # Blocks placed before are larger: a block of this size is either free as a whole or taken.
        free = np.flatnonzero(~taken[: cells // size * size : size])
        at = _resolve_collisions(_probe_blocks(names[here], cells // size, free), names[here], len(free))
        start[here] = free[at] * size
        taken[(start[here][:, None] + np.arange(size)).ravel()] = True
    return start


def _home_slots(names: Keys, slots: int) -> Integers:
    return (names.astype(np.float64) / 2.0**64 * slots).astype(np.int64).clip(0, max(slots - 1, 0))


def _probe_blocks(names: Keys, slots: int, free: Integers) -> Integers:
    """Return the index, among the free blocks, of the block that each group gets, shape (n,).

    A group tries blocks at hashed distances from its first one, in a growing range. Trying the next block instead
    (linear probing) would cluster displaced groups, and all of a cluster would move with each new group.
    """
    open_ = np.zeros(slots, np.bool_)
    open_[free] = True
    home = _home_slots(names, slots)
    slot = home.copy()
    for number in range(1, MAX_PROBES):
        blocked = np.flatnonzero(~open_[slot])
        if not len(blocked):
            break
        reach = round(min(PROBE_GROWTH**number, slots))
        away = _home_slots(mix64(names[blocked] + np.uint64(number * _STEP % 2**64)), 2 * reach + 1) - reach
        slot[blocked] = (home[blocked] + away) % slots
    return np.searchsorted(free, slot).clip(0, len(free) - 1)


def _resolve_collisions(wanted: Integers, names: Keys, slots: int) -> Integers:
    """Return the wanted slot of each, or the next free one; slots beyond the end move back, shape (n,)."""
    order = np.lexsort((names, wanted))
    steps = np.arange(len(order))
    place = np.maximum.accumulate(wanted[order] - steps) + steps
    place = np.minimum(place, slots - len(order) + steps)
    out = np.empty(len(order), np.int64)
    out[order] = place
    return out


@cache
def hilbert_curve(side: int) -> Integers:
    """Return the cells of a square along Hilbert's curve (Hilbert 1891), shape (side * side, 2).

    Args:
        side: A power of two.
    """
    if side == 1:
        return np.zeros((1, 2), np.int64)
    half = side // 2
    quarter = hilbert_curve(half)
    turned = quarter[:, ::-1]
    parts = (turned, quarter + np.array([0, half]), quarter + half, np.array([side - 1, half - 1]) - turned)
    return np.concatenate(parts)
