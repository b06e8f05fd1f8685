"""Who declared what, when, among models that have something in common: counts at any moment, without a loop.

All questions are answered by binary search in sorted integer keys (group, value, rank in time), so that a million of
them take about a second, and what is later than the moment asked about can't be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_db.core.arrays import CsrLists, Doubles, Floats, Integers, ranges

RECENT = 8
"""Number of the latest declarations in a group that count as recent."""
WINDOW = 60.0
"""Days before the moment that count as lately."""
MOST = 12
"""Values of one group that are proposed, the most frequent first."""
COUNT_FEATURES = ("share", "count", "size", "recent", "lately", "age")


@dataclass(frozen=True, slots=True)
class Events:
    """Visible declarations in order of time.

    Attributes:
        rows: Model of each, shape (m,).
        values: Value of each, shape (m,).
        times: Days since 1970, ascending, shape (m,).
        size: Number of different values.
    """

    rows: Integers
    values: Integers
    times: Doubles
    num_values: int


def declaration_events(
    held: CsrLists, created: Doubles, visible: np.ndarray[tuple[int], np.dtype[np.bool_]], size: int
) -> Events:
    """Return the declarations of visible models."""
    rows = held.rows
    shown = visible[rows]
    rows, values = rows[shown], held.values[shown]
    order = np.argsort(created[rows], kind="stable")
    return Events(rows[order], values[order], created[rows[order]], size)


class PrefixCounter:
    """Counts declarations of a kind before a moment.

    Args:
        labels: Visible declarations.
        kinds: Kind of each declaration, -1 for none, shape (declarations,).
    """

    def __init__(self, labels: Events, kinds: Integers) -> None:
        self._times = labels.times
        self._span = len(kinds) + 1
        self._keys = np.sort(kinds * self._span + np.arange(len(kinds)))

    def count_before(self, kinds: Integers, moments: Doubles) -> Integers:
        """Return how many of each kind came before each moment, 0 of kind -1, shape (q,)."""
        base = kinds * self._span
        ranks = np.searchsorted(self._times, moments, side="left")
        found = np.searchsorted(self._keys, base + ranks) - np.searchsorted(self._keys, base)
        return np.where(kinds >= 0, found, 0)


class PointInTimeCounts:
    """Declarations by group.

    Args:
        labels: Visible declarations.
        group: Group of each model, -1 where it has none, shape (models,).
    """

    def __init__(self, labels: Events, group: Integers) -> None:
        self._labels = labels
        self._span = len(labels.rows) + 1
        mine = group[labels.rows]
        ranks = np.flatnonzero(mine >= 0)
        self._groups = np.sort(mine[ranks] * self._span + ranks)
        pairs = mine[ranks] * labels.num_values + labels.values[ranks]
        self._pairs = np.sort(pairs * self._span + ranks)
        # In sorted keys each pair's ranks lie side by side, the earliest first.
        first = np.flatnonzero(np.diff(self._pairs // self._span, prepend=-1))
        kinds, earliest = np.divmod(self._pairs[first], self._span)
        counts = np.diff(first, append=len(self._pairs))
        order = np.lexsort((kinds, -counts, kinds // labels.num_values))
        self._kinds, self._earliest = kinds[order], earliest[order]
        self._owners = self._kinds // labels.num_values

    def events_before(self, moments: Doubles) -> Integers:
        """Return how many declarations came before each moment."""
        return np.searchsorted(self._labels.times, moments, side="left")

    def most_frequent(self, groups: Integers, moments: Doubles) -> tuple[Integers, Integers]:
        """Return the most frequent values of groups that were there before the moments: places in `groups`, values."""
        first = np.searchsorted(self._owners, groups, side="left")
        last = np.minimum(np.searchsorted(self._owners, groups, side="right"), first + MOST)
        counts = np.where(groups >= 0, last - first, 0)
        places = np.repeat(np.arange(len(groups)), counts)
        at = ranges(first, counts)
        if not len(at):
            return at, at
        seen = self._earliest[at] < self.events_before(moments)[places]
        return places[seen], self._kinds[at[seen]] % self._labels.num_values

    def last_k(self, groups: Integers, moments: Doubles, most: int) -> Integers:
        """Return the latest declarations of groups before the moments, as ranks, -1 for none, shape (q, most)."""
        base = groups * self._span
        start = np.searchsorted(self._groups, base)
        stop = np.searchsorted(self._groups, base + self.events_before(moments))
        at = stop[:, None] - 1 - np.arange(most)
        there = (at >= start[:, None]) & (groups >= 0)[:, None]
        if not there.any():
            return np.full(at.shape, -1, np.int64)
        return np.where(there, self._groups[np.where(there, at, 0)] - base[:, None], -1)

    def count_features(self, groups: Integers, values: Integers, moments: Doubles, dates: Doubles) -> Floats:
        """Return what a group says of a value.

        Args:
            groups: Groups asked about, -1 for none, shape (q,).
            values: Values asked about, shape (q,).
            moments: Declarations from then on are not seen, shape (q,).
            dates: Date of the model in question, shape (q,).

        Returns:
            Shape (q, 6): smoothed share, logarithms of the value's count and the group's size, share among the latest
            eight, count in the last sixty days, years since the last. NaN where the group is empty.
        """
        out = np.full((len(groups), len(COUNT_FEATURES)), np.nan, np.float32)
        ranks = self.events_before(moments)
        base = groups * self._span
        start = np.searchsorted(self._groups, base)
        stop = np.searchsorted(self._groups, base + ranks)
        some = np.flatnonzero((groups >= 0) & (stop > start))
        if not len(some):
            return out
        groups, values, ranks, start, stop = groups[some], values[some], ranks[some], start[some], stop[some]
        size = stop - start
        pair = (groups * self._labels.num_values + values) * self._span
        below = np.searchsorted(self._pairs, pair)
        above = np.searchsorted(self._pairs, pair + ranks)
        count = above - below
        since = self._groups[np.maximum(stop - RECENT, start)] - groups * self._span
        recent = above - np.searchsorted(self._pairs, pair + since)
        lately = above - np.searchsorted(self._pairs, pair + self.events_before(moments[some] - WINDOW))
        last = self._pairs[np.maximum(above - 1, 0)] - pair
        age = dates[some] - self._labels.times[np.clip(last, 0, self._span - 2)]
        out[some] = np.column_stack((
            count / (size + 1.0), np.log1p(count), np.log1p(size), recent / np.minimum(size, RECENT), np.log1p(lately),
            np.where(count > 0, age / 365.25, np.nan),
        ))  # fmt: skip
        return out
