"""Inverted index over the tokens of repository names: names that share rare tokens, without comparing all pairs.

Terms are tokens and bigrams, weighted by squared inverse document frequency (Spärck Jones 1972). Only the head of each
posting list is read (champion lists: Manning, Raghavan and Schütze 2008, *Introduction to Information Retrieval*,
7.1.3). The lookups of a whole batch are answered by sorting integers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from atlas_db.columnar.repository_names import TOKEN, factorize_strings
from atlas_db.core.arrays import CsrLists, Doubles, Floats, Integers, csr_lists, join_lists, ranges, unique_sorted
from gnn.parameters.candidate_parameters import CANDIDATE

OVERLAP_FEATURES = (
    "shared term weight", "share of the model's term weight", "share of the candidate's term weight", "shared terms",
)  # fmt: skip
_END = "\n"
_TOKEN_OR_END = re.compile(f"{TOKEN.pattern}|{_END}")


class Vocabulary:
    """Numbers of tokens and bigrams, in order of first occurrence."""

    def __init__(self) -> None:
        self._numbers: dict[str | int, int] = {_END: 0}

    def __len__(self) -> int:
        return len(self._numbers)

    def terms(self, names: Sequence[str]) -> CsrLists:
        """Return the unique terms of each name, tokens and bigrams, in ascending order."""
        return self.with_bigrams(self.tokens(names))

    def tokens(self, names: Sequence[str]) -> CsrLists:
        """Return the tokens of each name, in the order of the name."""
        text = "".join(name.replace(_END, " ") + _END for name in names)
        numbers = self._number(pa.array(_TOKEN_OR_END.findall(text.lower()), pa.string()))
        is_end = numbers == 0
        rows = np.cumsum(is_end) - is_end
        return csr_lists(len(names), rows[~is_end], numbers[~is_end])

    def with_bigrams(self, tokens: CsrLists) -> CsrLists:
        """Return the unique tokens and bigrams of token lists, each list in ascending order."""
        rows = tokens.rows
        is_indexed = np.arange(len(rows)) - tokens.indptr[rows] < CANDIDATE.tokens_per_name
        rows, values = rows[is_indexed], tokens.values[is_indexed]
        same_name = rows[1:] == rows[:-1]
        bigrams = self._number(pa.array((values[:-1] << 32 | values[1:])[same_name]))
        size = len(self)
        keys = unique_sorted(np.concatenate((rows * size + values, rows[1:][same_name] * size + bigrams)))
        return csr_lists(len(tokens.counts), keys // size, keys % size)

    def _number(self, keys: pa.Array) -> Integers:
        """Return the number of each key: a token, or a bigram as one integer, which equals no token's key."""
        encoded = keys.dictionary_encode()
        numbers = [self._numbers.setdefault(key, len(self._numbers)) for key in encoded.dictionary.to_pylist()]
        return np.asarray(np.array(numbers, np.int64)[encoded.indices.to_numpy()])


class TokenizedNames(NamedTuple):
    """Names of repositories with their tokens and terms.

    Attributes:
        names: Names in lower case.
        tokens: Tokens of each name, in the order of the name.
        terms: Unique tokens and bigrams of each name, ascending.
        vocabulary: Numbers of tokens and bigrams.
    """

    names: list[str]
    tokens: CsrLists
    terms: CsrLists
    vocabulary: Vocabulary

    def with_owner(self, owners: Sequence[str], owner_of: Integers) -> TokenizedNames:
        """Return the names with their owners' tokens before their own.

        Args:
            owners: Names of owners.
            owner_of: Owner of each name, -1 for none, shape (names,).
        """
        tokens = join_lists([self.vocabulary.tokens(owners).take(owner_of), self.tokens])
        return TokenizedNames(self.names, tokens, self.vocabulary.with_bigrams(tokens), self.vocabulary)


def tokenize_names(ids: Sequence[str], vocabulary: Vocabulary) -> TokenizedNames:
    """Return the tokenized names of repositories; new terms are added to the vocabulary."""
    names = [identifier.rpartition("/")[2].lower() for identifier in ids]
    tokens = vocabulary.tokens(names)
    return TokenizedNames(names, tokens, vocabulary.with_bigrams(tokens), vocabulary)


class InvertedIndex:
    """Names by their terms.

    The weight of a term that df of N names contain is log((N + 1) / (df + 1))².

    Attributes:
        length: Summed weight of each name's terms, shape (names,).

    Args:
        terms: Terms of each indexed name, numbers below `num_terms`.
        num_terms: Number of different terms.
        order: Rank of each name in posting lists (static score order); the first ranks are read, shape (names,).
    """

    def __init__(self, terms: CsrLists, num_terms: int, order: Integers) -> None:
        self._terms = terms
        self._order = order
        self._size = num_terms + 1
        self._span = len(order) + 1
        document_frequency = np.bincount(terms.values, minlength=num_terms)
        self._weights = (np.log(self._span / (document_frequency + 1)) ** 2).astype(np.float32)
        self.length = self.weight(terms)

    @cached_property
    def _postings(self) -> tuple[Integers, Integers]:
        """The (term, rank of name) pairs as ascending keys; and the name at each rank."""
        keys = np.sort(self._terms.values * self._span + self._order[self._terms.rows])
        return keys, np.argsort(self._order, kind="stable")

    @cached_property
    def _pairs(self) -> Integers:
        """The (name, term) pairs as ascending keys, with a last key above all others."""
        return np.append(np.sort(self._terms.rows * self._size + self._terms.values), np.iinfo(np.int64).max)

    def weight(self, queries: CsrLists) -> Floats:
        """Return the summed weight of each query's terms, shape (queries,)."""
        return np.bincount(queries.rows, self._weights[queries.values], minlength=len(queries.counts)).astype(
            np.float32
        )

    def search(self, queries: CsrLists, min_rank: Integers | None = None) -> tuple[Integers, Integers, Floats]:
        """Return the names that share terms with each query.

        Args:
            queries: Terms of each query.
            min_rank: Rank in posting lists from which on names are read, shape (queries,); 0 by default.

        Returns:
            Index of the query (ascending), name, and summed weight of the terms that were found to be shared, shape
            (pairs,) each.
        """
        postings, name_at_rank = self._postings
        query_index = queries.rows
        base = queries.values * self._span
        start = np.searchsorted(postings, base if min_rank is None else base + min_rank[query_index])
        stop = np.minimum(np.searchsorted(postings, base + self._span), start + CANDIDATE.champion_list)
        counts = stop - start
        found = name_at_rank[postings[ranges(start, counts)] - np.repeat(base, counts)]
        keys = np.repeat(query_index, counts) * self._span + found
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        if not len(keys):
            return keys, keys, np.zeros(0, np.float32)
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        shared = np.add.reduceat(np.repeat(self._weights[queries.values], counts)[order], first)
        return keys[first] // self._span, keys[first] % self._span, shared

    def shared_weight(self, queries: CsrLists, query_index: Integers, names: Integers) -> tuple[Floats, Integers]:
        """Return the summed weight, and the number, of the terms that a query and a name share, shape (p,) each.

        Args:
            queries: Terms of each query.
            query_index: Query of each pair, shape (p,).
            names: Name of each pair, shape (p,).
        """
        terms = queries.take(query_index)
        keys = np.repeat(names, terms.counts) * self._size + terms.values
        is_shared = self._pairs[np.searchsorted(self._pairs, keys)] == keys
        pair = terms.rows[is_shared]
        weight = np.bincount(pair, self._weights[terms.values[is_shared]], minlength=len(query_index))
        return weight.astype(np.float32), np.bincount(pair, minlength=len(query_index))

    def overlap_features(self, queries: CsrLists, query_index: Integers, names: Integers) -> Floats:
        """Return the term overlap of queries and names.

        Args:
            queries: Terms of each query.
            query_index: Query of each pair, shape (p,).
            names: Name of each pair, shape (p,).

        Returns:
            Shape (p, 4), named by `OVERLAP_FEATURES`; NaN where the query has no terms.
        """
        weight, count = self.shared_weight(queries, query_index, names)
        query_weight, name_weight = self.weight(queries)[query_index], self.length[names]
        out = np.column_stack((
            np.log1p(weight), weight / np.maximum(query_weight, 1e-6), weight / np.maximum(name_weight, 1e-6), count,
        ))  # fmt: skip
        out[queries.counts[query_index] == 0] = np.nan
        return out.astype(np.float32)


class NameSearch:
    """Search for repositories by the names of models.

    Args:
        models: Names of models, which are the queries.
        repositories: Names of the indexed repositories, of the same vocabulary.
        static_score: Posting lists are read from the highest score down, shape (repositories,).
    """

    def __init__(self, models: TokenizedNames, repositories: TokenizedNames, static_score: Doubles | Integers) -> None:
        self._models = models
        self._repositories = repositories
        self._index = InvertedIndex(repositories.terms, len(models.vocabulary), ranks(-static_score))

    @cached_property
    def log_namesakes(self) -> Doubles:
        """Logarithm of 1 + the number of repositories with the same name, shape (repositories,)."""
        same = factorize_strings(self._repositories.names)
        return np.asarray(np.log1p(np.bincount(same)[same]))

    def search(self, rows: Integers) -> tuple[Integers, Integers, Floats]:
        """Return the repositories whose names share terms with those of models.

        Args:
            rows: Models, shape (q,).

        Returns:
            Index into `rows` (ascending), repository, and similarity log(1 + shared weight / √length), shape (pairs,)
            each.
        """
        query_index, found, shared = self._index.search(self._models.terms.take(rows))
        return query_index, found, np.log1p(shared / np.sqrt(self._index.length[found]))

    def overlap_features(self, models: Integers, repositories: Integers) -> Floats:
        """Return the term overlap of pairs of names, shape (p, 4), named by `OVERLAP_FEATURES`."""
        queries, query_index = np.unique(models, return_inverse=True)
        return self._index.overlap_features(self._models.terms.take(queries), query_index, repositories)

    def pair_features(self, models: Integers, repositories: Integers) -> Floats:
        """Return features of pairs of names.

        Args:
            models: Model of each pair, shape (p,).
            repositories: Repository of each pair, shape (p,).

        Returns:
            Shape (p, 6): `OVERLAP_FEATURES`, whether the repository's name is a substring of the model's, and the
            number of its characters.
        """
        model_names, names = self._models.names, self._repositories.names
        contained = [names[b] in model_names[a] for a, b in zip(models.tolist(), repositories.tolist(), strict=True)]
        lengths = [len(names[b]) for b in repositories.tolist()]
        return np.column_stack(
            (
                self.overlap_features(models, repositories),
                np.array(contained, np.float32),
                np.array(lengths, np.float32),
            )
        )


def ranks(keys: Doubles | Integers) -> Integers:
    """Return the rank of each key in ascending order, from 0; equal keys keep their order, shape (len(keys),)."""
    out = np.empty(len(keys), np.int64)
    out[np.argsort(keys, kind="stable")] = np.arange(len(keys))
    return out


def top_k_per_group(groups: Integers, scores: Floats, k: int) -> Integers:
    """Return the indices of the k highest scores of each group, in order of groups, the highest first.

    Args:
        groups: Group of each entry, shape (n,).
        scores: Score of each entry, shape (n,).
        k: Maximum number of entries of a group.
    """
    order = np.lexsort((-scores, groups))
    rank = np.arange(len(order)) - np.searchsorted(groups[order], groups[order])
    return order[rank < k]
