"""Point-in-time counts: declarations by group and value before any cutoff, without a loop.

All lookups are binary searches in sorted integer keys (group, value, rank in time). A million lookups take about a
second, and no declaration at or after the cutoff is counted. So these are point-in-time correct target statistics, as
ordered target statistics are in CatBoost (Prokhorenkova et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_db.core.arrays import CsrLists, Doubles, Flags, Floats, Integers, ranges
from gnn.parameters.candidate_parameters import CANDIDATE

COUNT_FEATURES = ("share", "count", "group size", "recent share", "recent count", "age")


@dataclass(frozen=True, slots=True)
class Events:
    """Visible declarations in ascending order of time; m is their number.

    Attributes:
        rows: Model of each declaration, shape (m,).
        values: Value of each declaration, shape (m,).
        times: Days since 1970, ascending, shape (m,).
        num_values: Number of different values.
    """

    rows: Integers
    values: Integers
    times: Doubles
    num_values: int


def declaration_events(codes: CsrLists, times: Doubles, visible: Flags, num_values: int) -> Events:
    """Return the declarations of visible models in order of time.

    Args:
        codes: Declared values, one list a model.
        times: Time of each model, days since 1970, shape (n,).
        visible: Models whose declarations may be used, shape (n,).
        num_values: Number of different values.
    """
    rows = codes.rows
    shown = visible[rows]
    rows, values = rows[shown], codes.values[shown]
    order = np.argsort(times[rows], kind="stable")
    return Events(rows[order], values[order], times[rows[order]], num_values)


class PrefixCounter:
    """Counts the declarations of a key before a cutoff.

    Args:
        events: Visible declarations.
        keys: Key of each declaration, -1 for none, shape (m,).
    """

    def __init__(self, events: Events, keys: Integers) -> None:
        self._times = events.times
        self._span = len(keys) + 1
        self._keys = np.sort(keys * self._span + np.arange(len(keys)))

    def count_before(self, keys: Integers, cutoffs: Doubles) -> Integers:
        """Return the number of declarations of each key before each cutoff, 0 for key -1, shape (q,)."""
        base = keys * self._span
        ranks = np.searchsorted(self._times, cutoffs, side="left")
        counts = np.searchsorted(self._keys, base + ranks) - np.searchsorted(self._keys, base)
        return np.where(keys >= 0, counts, 0)


class PointInTimeCounts:
    """Declarations by group, countable before any cutoff.

    Args:
        events: Visible declarations.
        member_key: Group of each model, -1 where it has none, shape (n,).
    """

    def __init__(self, events: Events, member_key: Integers) -> None:
        self._events = events
        self._span = len(events.rows) + 1
        group_of_event = member_key[events.rows]
        ranks = np.flatnonzero(group_of_event >= 0)
        self._groups = np.sort(group_of_event[ranks] * self._span + ranks)
        pairs = group_of_event[ranks] * events.num_values + events.values[ranks]
        self._pairs = np.sort(pairs * self._span + ranks)
        # Sorted keys put the ranks of one (group, value) pair next to each other, the earliest first.
        first = np.flatnonzero(np.diff(self._pairs // self._span, prepend=-1))
        unique_pairs, earliest = np.divmod(self._pairs[first], self._span)
        # A last pair above all others: a search for a pair always ends at one.
        self._pair_numbers, self._first = np.append(unique_pairs, np.iinfo(np.int64).max), first
        counts = np.diff(first, append=len(self._pairs))
        order = np.lexsort((unique_pairs, -counts, unique_pairs // events.num_values))
        self._unique_pairs, self._earliest = unique_pairs[order], earliest[order]
        self._group_of_pair = self._unique_pairs // events.num_values

    def events_before(self, cutoffs: Doubles) -> Integers:
        """Return the number of declarations of any group before each cutoff, shape (q,)."""
        return np.searchsorted(self._events.times, cutoffs, side="left")

    def most_frequent(self, groups: Integers, cutoffs: Doubles) -> tuple[Integers, Integers]:
        """Return the most frequent values of each group, without those first declared at or after the cutoff.

        Args:
            groups: Group of each model, -1 for none, shape (q,).
            cutoffs: Days since 1970, shape (q,).

        Returns:
            Index into `groups`, and value, shape (c,) each.
        """
        first = np.searchsorted(self._group_of_pair, groups, side="left")
        last = np.searchsorted(self._group_of_pair, groups, side="right")
        last = np.minimum(last, first + CANDIDATE.values_per_group)
        counts = np.where(groups >= 0, last - first, 0)
        query_index = np.repeat(np.arange(len(groups)), counts)
        position = ranges(first, counts)
        if not len(position):
            return position, position
        seen = self._earliest[position] < self.events_before(cutoffs)[query_index]
        return query_index[seen], self._unique_pairs[position[seen]] % self._events.num_values

    def last_k(self, groups: Integers, cutoffs: Doubles, k: int) -> Integers:
        """Return the last k declarations of each group before the cutoff, the latest first.

        Args:
            groups: Group of each model, -1 for none, shape (q,).
            cutoffs: Days since 1970, shape (q,).
            k: Number of declarations.

        Returns:
            Indices into the events, -1 for none, shape (q, k).
        """
        base = groups * self._span
        start = np.searchsorted(self._groups, base)
        stop = np.searchsorted(self._groups, base + self.events_before(cutoffs))
        position = stop[:, None] - 1 - np.arange(k)
        exists = (position >= start[:, None]) & (groups >= 0)[:, None]
        if not exists.any():
            return np.full(position.shape, -1, np.int64)
        return np.where(exists, self._groups[np.where(exists, position, 0)] - base[:, None], -1)

    def count_features(
        self, groups: Integers, cutoffs: Doubles, dates: Doubles, query_index: Integers, values: Integers
    ) -> Floats:
        """Return the counts of values in the groups of models before a cutoff.

        Args:
            groups: Group of each model, -1 for none, shape (q,).
            cutoffs: Only declarations before this time count, shape (q,).
            dates: Date of each model to complete, shape (q,).
            query_index: Model of each value, shape (c,).
            values: Values, shape (c,).

        Returns:
            Shape (c, 6), named by `COUNT_FEATURES`; NaN where the group has no declaration. With n declarations of the
            value among the s of the group, the columns are:

            - share: n / (s + 1)
            - count: log(1 + n)
            - group size: log(1 + s)
            - recent share: share of the value among the last `CANDIDATE.recent_events` declarations of the group
            - recent count: log(1 + declarations of the value in the last `CANDIDATE.recent_days` days)
            - age: years from the last declaration of the value to the model's date; NaN where n = 0
        """
        out = np.full((len(values), len(COUNT_FEATURES)), np.nan, np.float32)
        ranks = self.events_before(cutoffs)
        base = groups * self._span
        start = np.searchsorted(self._groups, base)
        stop = np.searchsorted(self._groups, base + ranks)
        is_filled = (groups >= 0) & (stop > start)
        if not is_filled.any():
            return out
        size = np.where(is_filled, stop - start, 1)
        out[:, 0], out[:, 1], out[:, 2] = 0, 0, np.log1p(size)[query_index]
        out[:, 3], out[:, 4] = 0, 0
        out[~is_filled[query_index]] = np.nan
        # Most candidates were never declared in most groups: one search tells which were.
        pairs = groups[query_index] * self._events.num_values + values
        position = np.searchsorted(self._pair_numbers, pairs)
        declared = np.flatnonzero((self._pair_numbers[position] == pairs) & is_filled[query_index])
        model, first = query_index[declared], self._first[position[declared]]
        pair = pairs[declared] * self._span
        end = np.searchsorted(self._pairs, pair + ranks[model])
        oldest = np.where(is_filled, np.maximum(stop - CANDIDATE.recent_events, start), 0)
        recent_rank = self._groups[oldest] - base
        recent = end - np.searchsorted(self._pairs, pair + recent_rank[model])
        window_start = self.events_before(cutoffs - CANDIDATE.recent_days)
        in_window = end - np.searchsorted(self._pairs, pair + window_start[model])
        last = self._pairs[np.maximum(end - 1, 0)] - pair
        age = dates[model] - self._events.times[np.clip(last, 0, self._span - 2)]
        count = end - first
        out[declared, 0] = count / (size[model] + 1.0)
        out[declared, 1] = np.log1p(count)
        out[declared, 3] = recent / np.minimum(size[model], CANDIDATE.recent_events)
        out[declared, 4] = np.log1p(in_window)
        out[declared, 5] = np.where(count > 0, age / 365.25, np.nan)
        return out
