"""Names by their words: which of hundreds of thousands share the rarest words with one, without comparing all pairs.

An inverted index over words and pairs of neighbouring words, weighted by rarity (inverse document frequency, Spärck
Jones 1972), of which only the head of each list is read (champion lists: Manning, Raghavan & Schütze, *Introduction to
Information Retrieval*, 7.1.3). All questions of a batch are answered by sorting integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gnn.graph import Floats, Integers, Ragged, ragged, stretches
from gnn.names import words

LONGEST = 16
"""Words of a name that are looked at."""
OVERLAP = ("weight of the words shared", "of the model's", "of the candidate's", "words shared")
HEAD = 64
"""Names that are looked at among those that share a word."""


class Vocabulary:
    """Numbers of words and of pairs of neighbouring words, given as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def spell(self, names: Sequence[str]) -> Ragged:
        """Return the numbers of each name's words and pairs, ascending, each once."""
        numbers = self._numbers
        held: list[int] = []
        counts = np.empty(len(names), np.int64)
        for place, name in enumerate(names):
            parts = words(name)[:LONGEST]
            said = {*parts, *(f"{a} {b}" for a, b in pairwise(parts))}
            counts[place] = len(said)
            held.extend(sorted(numbers.setdefault(word, len(numbers)) for word in said))
        return ragged(len(names), np.repeat(np.arange(len(names)), counts), np.array(held, np.int64))


class Shelf:
    """Names that are looked up by words.

    Args:
        spelled: Words of each name, numbers below `size`.
        size: Number of different words.
        order: Place of each name among those that share a word with it: the first are looked at, shape (names,).
    """

    def __init__(self, spelled: Ragged, size: int, order: Integers) -> None:
        number = len(order)
        uses = np.bincount(spelled.values, minlength=size)
        self._weights = (np.log((number + 1) / (uses + 1)) ** 2).astype(np.float32)
        rows = spelled.rows
        self.length: Floats = np.bincount(rows, self._weights[spelled.values], minlength=number).astype(np.float32)
        self._span = number + 1
        self._keys = np.sort(spelled.values * self._span + order[rows])
        self._by_order = np.argsort(order, kind="stable")
        # With an end that no pair reaches.
        self._pairs = np.append(np.sort(rows * (size + 1) + spelled.values), np.iinfo(np.int64).max)
        self._size = size + 1

    def weight(self, asked: Ragged) -> Floats:
        """Return the summed weight of the words of each name asked about."""
        return np.bincount(asked.rows, self._weights[asked.values], minlength=len(asked.counts)).astype(np.float32)

    def find(self, asked: Ragged, since: Integers | None = None) -> tuple[Integers, Integers, Floats]:
        """Return names that share words with those asked about.

        Args:
            asked: Words of each name asked about.
            since: Order from which on names are looked at, shape (asked,); all by default.

        Returns:
            Places in `asked` ascending, names, and the summed weight of the words that were seen to be shared.
        """
        places = asked.rows
        base = asked.values * self._span
        start = np.searchsorted(self._keys, base if since is None else base + since[places])
        counts = np.minimum(np.searchsorted(self._keys, base + self._span), start + HEAD) - start
        found = self._by_order[self._keys[stretches(start, counts)] - np.repeat(base, counts)]
        keys = np.repeat(places, counts) * self._span + found
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if not len(keys):
            return keys, keys, np.zeros(0, np.float32)
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        shared = np.add.reduceat(np.repeat(self._weights[asked.values], counts)[order], first)
        return keys[first] // self._span, keys[first] % self._span, shared

    def shared(self, asked: Ragged, places: Integers, names: Integers) -> tuple[Floats, Integers]:
        """Return the summed weight, and the number, of the words that pairs of names share.

        Args:
            asked: Words of each name asked about.
            places: Places in `asked`, shape (p,).
            names: Our names, shape (p,).
        """
        said = asked.some(places)
        keys = np.repeat(names, said.counts) * self._size + said.values
        there = self._pairs[np.searchsorted(self._pairs, keys)] == keys
        pair = said.rows[there]
        weight = np.bincount(pair, self._weights[said.values[there]], minlength=len(places)).astype(np.float32)
        return weight, np.bincount(pair, minlength=len(places))

    def overlap(self, asked: Ragged, places: Integers, names: Integers) -> Floats:
        """Return what pairs of names share, shape (p, 4), named by `OVERLAP`; NaN where nothing is asked.

        Args:
            asked: Words of each name asked about.
            places: Places in `asked`, shape (p,).
            names: Our names, shape (p,).
        """
        weight, count = self.shared(asked, places, names)
        theirs, mine = self.weight(asked)[places], self.length[names]
        out = np.column_stack(
            (np.log1p(weight), weight / np.maximum(theirs, 1e-6), weight / np.maximum(mine, 1e-6), count)
        )
        out[asked.counts[places] == 0] = np.nan
        return out.astype(np.float32)


def best(places: Integers, scores: Floats, most: int) -> Integers:
    """Return which entries are among the best of their place, in order of places, the best first."""
    order = np.lexsort((-scores, places))
    rank = np.arange(len(order)) - np.searchsorted(places[order], places[order])
    return order[rank < most]
