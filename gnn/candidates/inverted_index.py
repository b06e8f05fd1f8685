"""Names by their words: which of hundreds of thousands share the rarest words with one, without comparing all pairs.

An inverted index over words and pairs of neighbouring words, weighted by rarity (inverse document frequency, Spärck
Jones 1972), of which only the head of each list is read (champion lists: Manning, Raghavan & Schütze, *Introduction to
Information Retrieval*, 7.1.3). All questions of a batch are answered by sorting integers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from atlas_db.columnar.repository_names import TOKEN, factorize_strings
from atlas_db.core.arrays import CsrLists, Doubles, Floats, Integers, csr_lists, ranges, unique_sorted

LONGEST = 32
"""Words of a name that are looked at."""
OVERLAP_FEATURES = (
    "shared token weight",
    "share of the model's token weight",
    "share of the candidate's token weight",
    "shared tokens",
)
CHAMPION_LIST = 64
"""Names that are looked at among those that share a word."""
_END = "\n"
_WORD_OR_END = re.compile(f"{TOKEN.pattern}|{_END}")


class Vocabulary:
    """Numbers of words and of pairs of neighbouring words, given as they come."""

    def __init__(self) -> None:
        self._numbers: dict[str | int, int] = {_END: 0}

    def __len__(self) -> int:
        return len(self._numbers)

    def terms(self, names: Sequence[str]) -> CsrLists:
        """Return the numbers of each name's words and pairs, ascending, each once."""
        return self.with_bigrams(self.tokens(names))

    def tokens(self, names: Sequence[str]) -> CsrLists:
        """Return the numbers of each name's words, as they come."""
        text = "".join(name.replace(_END, " ") + _END for name in names)
        said = self._number(pa.array(_WORD_OR_END.findall(text.lower()), pa.string()))
        ends = said == 0
        rows = np.cumsum(ends) - ends
        return csr_lists(len(names), rows[~ends], said[~ends])

    def with_bigrams(self, said: CsrLists) -> CsrLists:
        """Return the numbers of words that come in lists, and of their pairs, ascending, each once."""
        rows = said.rows
        looked_at = np.arange(len(rows)) - said.indptr[rows] < LONGEST
        rows, words = rows[looked_at], said.values[looked_at]
        beside = rows[1:] == rows[:-1]
        pairs = self._number(pa.array((words[:-1] << 32 | words[1:])[beside]))
        size = len(self)
        keys = unique_sorted(np.concatenate((rows * size + words, rows[1:][beside] * size + pairs)))
        return csr_lists(len(said.counts), keys // size, keys % size)

    def _number(self, keys: pa.Array) -> Integers:
        """Return the number of each key: a word, or the numbers of two words, which no word's key equals."""
        found = keys.dictionary_encode()
        numbers = [self._numbers.setdefault(key, len(self._numbers)) for key in found.dictionary.to_pylist()]
        return np.asarray(np.array(numbers, np.int64)[found.indices.to_numpy()])


class TokenizedNames(NamedTuple):
    """Names of repositories, and their words.

    Attributes:
        names: Names in lower case.
        said: Numbers of each name's words, as they come.
        words: Numbers of each name's words and pairs, ascending.
        vocabulary: Gives the numbers.
    """

    names: list[str]
    tokens: CsrLists
    terms: CsrLists
    vocabulary: Vocabulary

    def with_owner(self, owners: Sequence[str], of: Integers) -> TokenizedNames:
        """Return the names with their owners' words before theirs.

        Args:
            owners: Names of owners.
            of: Owner of each name, -1 for none, shape (names,).
        """
        own = self.vocabulary.tokens(owners).take(of)
        starts = own.indptr + self.tokens.indptr
        values = np.empty(starts[-1], np.int64)
        values[ranges(starts[:-1], own.counts)] = own.values
        values[ranges(starts[:-1] + own.counts, self.tokens.counts)] = self.tokens.values
        said = CsrLists(values, starts)
        return TokenizedNames(self.names, said, self.vocabulary.with_bigrams(said), self.vocabulary)


def tokenize_names(ids: Sequence[str], vocabulary: Vocabulary) -> TokenizedNames:
    """Return the names of repositories, spelled in the words of a vocabulary, which grows."""
    names = [identifier.rpartition("/")[2].lower() for identifier in ids]
    said = vocabulary.tokens(names)
    return TokenizedNames(names, said, vocabulary.with_bigrams(said), vocabulary)


class InvertedIndex:
    """Names that are looked up by words.

    Attributes:
        length: Summed weight of each name's words, shape (names,).

    Args:
        words: Words of each name, numbers below `size`.
        size: Number of different words.
        order: Place of each name among those that share a word with it: the first are looked at, shape (names,).
    """

    def __init__(self, words: CsrLists, size: int, order: Integers) -> None:
        self._words = words
        self._order = order
        self._size = size + 1
        self._span = len(order) + 1
        uses = np.bincount(words.values, minlength=size)
        self._weights = (np.log(self._span / (uses + 1)) ** 2).astype(np.float32)
        self.length = self.weight(words)

    @cached_property
    def _heads(self) -> tuple[Integers, Integers]:
        """The names of each word in order, as keys; and the names in order."""
        keys = np.sort(self._words.values * self._span + self._order[self._words.rows])
        return keys, np.argsort(self._order, kind="stable")

    @cached_property
    def _pairs(self) -> Integers:
        """Which name has which word, as keys, with an end that none reaches."""
        return np.append(np.sort(self._words.rows * self._size + self._words.values), np.iinfo(np.int64).max)

    def weight(self, asked: CsrLists) -> Floats:
        """Return the summed weight of the words of each name asked about."""
        return np.bincount(asked.rows, self._weights[asked.values], minlength=len(asked.counts)).astype(np.float32)

    def search(self, asked: CsrLists, since: Integers | None = None) -> tuple[Integers, Integers, Floats]:
        """Return names that share words with those asked about.

        Args:
            asked: Words of each name asked about.
            since: Order from which on names are looked at, shape (asked,); all by default.

        Returns:
            Places in `asked` ascending, names, and the summed weight of the words that were seen to be shared.
        """
        heads, by_order = self._heads
        places = asked.rows
        base = asked.values * self._span
        start = np.searchsorted(heads, base if since is None else base + since[places])
        counts = np.minimum(np.searchsorted(heads, base + self._span), start + CHAMPION_LIST) - start
        found = by_order[heads[ranges(start, counts)] - np.repeat(base, counts)]
        keys = np.repeat(places, counts) * self._span + found
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if not len(keys):
            return keys, keys, np.zeros(0, np.float32)
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        shared = np.add.reduceat(np.repeat(self._weights[asked.values], counts)[order], first)
        return keys[first] // self._span, keys[first] % self._span, shared

    def shared_weight(self, asked: CsrLists, places: Integers, names: Integers) -> tuple[Floats, Integers]:
        """Return the summed weight, and the number, of the words that pairs of names share.

        Args:
            asked: Words of each name asked about.
            places: Places in `asked`, shape (p,).
            names: Our names, shape (p,).
        """
        said = asked.take(places)
        keys = np.repeat(names, said.counts) * self._size + said.values
        there = self._pairs[np.searchsorted(self._pairs, keys)] == keys
        pair = said.rows[there]
        weight = np.bincount(pair, self._weights[said.values[there]], minlength=len(places)).astype(np.float32)
        return weight, np.bincount(pair, minlength=len(places))

    def overlap_features(self, asked: CsrLists, places: Integers, names: Integers) -> Floats:
        """Return what pairs of names share, shape (p, 4), named by `OVERLAP`; NaN where nothing is asked.

        Args:
            asked: Words of each name asked about.
            places: Places in `asked`, shape (p,).
            names: Our names, shape (p,).
        """
        weight, count = self.shared_weight(asked, places, names)
        theirs, mine = self.weight(asked)[places], self.length[names]
        out = np.column_stack(
            (np.log1p(weight), weight / np.maximum(theirs, 1e-6), weight / np.maximum(mine, 1e-6), count)
        )
        out[asked.counts[places] == 0] = np.nan
        return out.astype(np.float32)


class NameSearch:
    """Repositories by their names, looked up by those of models.

    Args:
        models: Names of models.
        theirs: Names of the repositories, of the same vocabulary.
        fame: Of those that share a word the most famous are looked at, shape (repositories,).
    """

    def __init__(self, models: TokenizedNames, theirs: TokenizedNames, fame: Doubles | Integers) -> None:
        self._models = models
        self._theirs = theirs
        self._shelf = InvertedIndex(theirs.terms, len(models.vocabulary), ranks(-fame))

    @cached_property
    def log_namesakes(self) -> Doubles:
        """How many bear each name, as a logarithm."""
        same = factorize_strings(self._theirs.names)
        return np.asarray(np.log1p(np.bincount(same)[same]))

    def search(self, rows: Integers) -> tuple[Integers, Integers, Floats]:
        """Return what shares words with models: places in `rows` ascending, repositories, how alike the names are."""
        places, found, shared = self._shelf.search(self._models.terms.take(rows))
        return places, found, np.log1p(shared / np.sqrt(self._shelf.length[found]))

    def overlap_features(self, models: Integers, theirs: Integers) -> Floats:
        """Return which words names share, shape (p, 4), named by `OVERLAP`."""
        asked, at = np.unique(models, return_inverse=True)
        return self._shelf.overlap_features(self._models.terms.take(asked), at, theirs)

    def pair_features(self, models: Integers, theirs: Integers) -> Floats:
        """Return what names have in common, shape (p, 6).

        The overlap of words, whether theirs is part of the model's, its length in characters.
        """
        ours, names = self._models.names, self._theirs.names
        inside = [names[b] in ours[a] for a, b in zip(models.tolist(), theirs.tolist(), strict=True)]
        sizes = [len(names[b]) for b in theirs.tolist()]
        own = np.array(inside, np.float32), np.array(sizes, np.float32)
        return np.column_stack((self.overlap_features(models, theirs), *own))


def ranks(keys: Doubles | Integers) -> Integers:
    """Return the place of each key in ascending order; equal ones keep theirs."""
    out = np.empty(len(keys), np.int64)
    out[np.argsort(keys, kind="stable")] = np.arange(len(keys))
    return out


def top_k_per_group(places: Integers, scores: Floats, most: int) -> Integers:
    """Return which entries are among the best of their place, in order of places, the best first."""
    order = np.lexsort((-scores, places))
    rank = np.arange(len(order)) - np.searchsorted(places[order], places[order])
    return order[rank < most]
