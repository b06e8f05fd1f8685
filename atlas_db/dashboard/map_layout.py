"""Where families and lone models lie on the map, so that a grown atlas leaves nearly all of them in their places.

A place follows from names alone: each family asks for parcels named by its root's id until one is free, the largest
family first, and gets room to grow to the next power of two; each lone model stands with others of its author.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Integers, Keys
from atlas_db.core.hashing import mix64, name_hash

MAX_FAMILY_LOAD, MAX_SINGLETON_LOAD = 0.7, 0.85
"""Greatest share of a side of the map that is taken before the next size of map is used."""
WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16)
"""Widths of a field, in eighths of the map's height."""
MAX_PROBES = 64
"""Parcels that a family asks for before it takes the next free one."""
PROBE_GROWTH = 1.15
"""How much further, in parcels, each asks every time."""
_STEP = 0x9E3779B97F4A7C15


class Sheet(NamedTuple):
    """Sizes of the map in cells: a field of families, and beside it, as high, one of the lone models.

    Attributes:
        height: Rows.
        families: Cells a row of the first field.
        loners: Cells a row of the second, 0 where there are none.
    """

    height: int
    families: int
    singletons: int

    @property
    def width(self) -> int:
        """Cells a row."""
        return self.families + self.singletons


def smallest_sheet(families: int, singletons: int) -> Sheet:
    """Return the least map of the ladder of sizes that holds some cells of families and some lone models.

    Sizes are far apart, so that an atlas that grows keeps its sheet for long; it is at most twice as wide as high.
    """
    for height in _sheet_heights():
        widths = [height * part // 8 for part in WIDTHS]
        first = next((w for w in widths if families <= MAX_FAMILY_LOAD * w * height), None)
        second = next((w for w in (0, *widths) if singletons <= MAX_SINGLETON_LOAD * w * height), None)
        if first is not None and second is not None and first + second <= 2 * height:
            return Sheet(height, first, second)
    raise AssertionError("the ladder has no end")


def _sheet_heights() -> Iterator[int]:
    side = 8
    while True:
        yield from (side, side + side // 2)
        side *= 2


def name_keys(names: Sequence[str]) -> Keys:
    """Return a number of each name that no machine and no version changes, shape (n,)."""
    return np.array([name_hash(name) for name in names], np.uint64)


def capacity(sizes: Integers) -> Integers:
    """Return the cells that families get, shape (n,): the next power of two."""
    return np.int64(1) << np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64)


def place_families(names: Keys, sizes: Integers, cells: int) -> Integers:
    """Return the first cell of each family along the curve.

    Args:
        names: Keys of the roots, shape (n,).
        sizes: Models of the families, shape (n,).
        cells: Cells of the curve; the rooms take at most `FILLED_BY_FAMILIES` of them.

    Returns:
        First cells, shape (n,): multiples of the family's room, no two rooms overlap.
    """
    capacities = capacity(sizes)
    start = np.zeros(len(names), np.int64)
    taken = np.zeros(cells, np.bool_)
    for size in np.unique(capacities)[::-1].tolist():
        here = np.flatnonzero(capacities == size)
        # What was set before is larger: a parcel of this size is free as a whole or not at all.
        free = np.flatnonzero(~taken[: cells // size * size : size])
        at = _resolve_collisions(_probe_blocks(names[here], cells // size, free), names[here], len(free))
        start[here] = free[at] * size
        taken[(start[here][:, None] + np.arange(size)).ravel()] = True
    return start


def place_singletons(authors: Keys, rank: Integers, cells: int) -> Integers:
    """Return the cell of each lone model along the curve: authors where their names say, their models by rank.

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
    """Each asks for parcels that its key names, ever further from its first, until one is free; place among the free.

    Asking at drawn distances, not next door, keeps the surroundings of a large family from filling up with those that
    it displaced, which would then all move whenever one is added.
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
    """Give each the place it wants or the next free one; what would fall off the end closes up, shape (n,)."""
    order = np.lexsort((names if rank is None else rank, names, wanted))
    steps = np.arange(len(order))
    place = np.maximum.accumulate(wanted[order] - steps) + steps
    place = np.minimum(place, slots - len(order) + steps)
    out = np.empty(len(order), np.int64)
    out[order] = place
    return out


@cache
def hilbert_curve(width: int, height: int) -> Integers:
    """Return the cells of a rectangle along a generalised Hilbert curve (after Cerveny's gilbert), shape (cells, 2)."""
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
    """Prefer halves of even length: the curve then has no diagonal steps."""
    odd = abs(half[0] + half[1]) % 2 and length > 2
    return (half[0] + step[0], half[1] + step[1]) if odd else half
