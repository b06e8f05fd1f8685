"""Positions of families and single models on the map: nearly all of them stay when the atlas grows.

A position depends on names only. Families are placed by open addressing: the hash of the root's id names blocks until
one is free, the largest family first. A block has a power of two of cells, so that a family can grow in it. A single
model is placed next to others of its author.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Integers, Keys
from atlas_db.core.hashing import mix64, name_hash

MAX_FAMILY_LOAD, MAX_SINGLETON_LOAD = 0.7, 0.85
"""Largest share of a field that is occupied, of families and of single models; above it the next size is used."""
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Widths of a field, in eighths of the height of the map."""
MAX_PROBES = 64
"""Blocks that are tried for a family before it takes the next free one."""
PROBE_GROWTH = 1.15
"""Factor by which the range of tried blocks grows with each try."""
_STEP = 0x9E3779B97F4A7C15


class Sheet(NamedTuple):
    """Size of the map in cells: a field of families, and to its right one of single models, equally high.

    Attributes:
        height: Rows.
        families: Columns of the first field.
        singletons: Columns of the second field, 0 where there are no single models.
    """

    height: int
    families: int
    singletons: int

    @property
    def width(self) -> int:
        """Columns of the map."""
        return self.families + self.singletons


def smallest_sheet(families: int, singletons: int) -> Sheet:
    """Return the smallest map that holds a number of cells for families and a number of single models.

    Heights grow by a third or a half, so that a growing atlas keeps its map for long. A map is at most twice as wide
    as high.

    Args:
        families: Cells for families.
        singletons: Cells for single models.
    """
    for height in _sheet_heights():
        widths = [height * part // 8 for part in WIDTHS]
        first = next((w for w in widths if families <= MAX_FAMILY_LOAD * w * height), None)
        second = next((w for w in (0, *widths) if singletons <= MAX_SINGLETON_LOAD * w * height), None)
        if first is not None and second is not None and first + second <= 2 * height:
            return Sheet(height, first, second)
    raise AssertionError("the heights have no end")


def _sheet_heights() -> Iterator[int]:
    side = 8
    while True:
        yield from (side, side + side // 2)
        side *= 2


def name_keys(names: Sequence[str]) -> Keys:
    """Return a hash of each name, the same on all machines and in all versions, shape (n,)."""
    return np.array([name_hash(name) for name in names], np.uint64)


def capacity(sizes: Integers) -> Integers:
    """Return the number of cells reserved for each family, the next power of two of its size, shape (n,)."""
    return np.int64(1) << np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64)


def place_families(names: Keys, sizes: Integers, cells: int) -> Integers:
    """Return the first cell of each family along the curve.

    Args:
        names: Keys of the roots, shape (n,).
        sizes: Models of the families, shape (n,).
        cells: Cells of the curve; at most `MAX_FAMILY_LOAD` of them are reserved.

    Returns:
        First cells, multiples of the family's capacity, shape (n,). No two blocks overlap.
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


def place_singletons(authors: Keys, rank: Integers, cells: int) -> Integers:
    """Return the cell of each single model along the curve: authors by hash, the models of one by rank.

    Args:
        authors: Keys of the authors, shape (n,).
        rank: Order of the models of an author, shape (n,).
        cells: Cells of the curve.

    Returns:
        Cells, shape (n,), all different.
    """
    return _resolve_collisions(_home_slots(authors, cells), authors, cells, rank)


def _home_slots(names: Keys, slots: int) -> Integers:
    return (names.astype(np.float64) / 2.0**64 * slots).astype(np.int64).clip(0, max(slots - 1, 0))


def _probe_blocks(names: Keys, slots: int, free: Integers) -> Integers:
    """Return the index, among the free blocks, of the block that each family gets, shape (n,).

    A family tries blocks at hashed distances from its first one, in a growing range. Trying the next block instead
    (linear probing) would cluster displaced families, and all of a cluster would move with each new family.
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


def _resolve_collisions(wanted: Integers, names: Keys, slots: int, rank: Integers | None = None) -> Integers:
    """Return the wanted slot of each, or the next free one; slots beyond the end move back, shape (n,)."""
    order = np.lexsort((names if rank is None else rank, names, wanted))
    steps = np.arange(len(order))
    place = np.maximum.accumulate(wanted[order] - steps) + steps
    place = np.minimum(place, slots - len(order) + steps)
    out = np.empty(len(order), np.int64)
    out[order] = place
    return out


@cache
def hilbert_curve(width: int, height: int) -> Integers:
    """Return the cells of a rectangle along a generalised Hilbert curve (Cerveny's gilbert), shape (cells, 2)."""
    cells: list[tuple[int, int]] = []
    todo = [(0, 0, width, 0, 0, height)] if width >= height else [(0, 0, 0, height, width, 0)]
    while todo:
        x, y, ax, ay, bx, by = todo.pop()
        long, wide = abs(ax + ay), abs(bx + by)
        along, across = (_sign(ax), _sign(ay)), (_sign(bx), _sign(by))
        if wide == 1 or long == 1:
            step = along if wide == 1 else across
            cells += [(x + at * step[0], y + at * step[1]) for at in range(long if wide == 1 else wide)]
            continue
        half = _halved(ax, ay, long, along)
        rest = _halved(bx, by, wide, across)
        if 2 * long > 3 * wide:
            half = _even(half, long, along)
            parts = [(x, y, *half, bx, by), (x + half[0], y + half[1], ax - half[0], ay - half[1], bx, by)]
        else:
            rest = _even(rest, wide, across)
            end = (x + ax - along[0] + rest[0] - across[0], y + ay - along[1] + rest[1] - across[1])
            parts = [
                (x, y, *rest, *half),
                (x + rest[0], y + rest[1], ax, ay, bx - rest[0], by - rest[1]),
                (*end, -rest[0], -rest[1], -(ax - half[0]), -(ay - half[1])),
            ]
        todo += reversed(parts)
    return np.array(cells, np.int64).reshape(-1, 2)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _halved(x: int, y: int, length: int, step: tuple[int, int]) -> tuple[int, int]:
    return (length // 2) * step[0], (length // 2) * step[1]


def _even(half: tuple[int, int], length: int, step: tuple[int, int]) -> tuple[int, int]:
    """Return a half of even length where there is one: the curve then has no diagonal steps."""
    odd = abs(half[0] + half[1]) % 2 and length > 2
    return (half[0] + step[0], half[1] + step[1]) if odd else half
