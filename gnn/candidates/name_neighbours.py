"""What the models of the likest names declare: the nearest neighbours by rare words, from before any moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from gnn.candidates.inverted_index import InvertedIndex, TokenizedNames, top_k_per_group
from gnn.dataset.temporal_counts import Events

NEAREST = 10
FEATURES = ("similarity of the nearest name", "share of the nearest names' similarity")


class KnnVotes(NamedTuple):
    """Values that models of like names declare.

    Attributes:
        places: Place of the model asked about, ascending, shape (v,).
        values: Value, ascending within a place, shape (v,).
        told: Likeness of the likest that declares it, and its share of all likeness, shape (v, 2).
    """

    query_index: Integers
    values: Integers
    features: Floats

    def features_of(self, places: Integers, values: Integers, size: int) -> Floats:
        """Return what is told of candidates, shape (c, 2); of `size` values, zero for those that nobody declares."""
        out = np.zeros((len(places), len(FEATURES)), np.float32)
        if not len(self.query_index):
            return out
        keys, asked = self.query_index * size + self.values, places * size + values
        at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        there = keys[at] == asked
        out[there] = self.features[at[there]]
        return out


class NameKNN:
    """Declarations by the names of the models that made them.

    Args:
        labels: Visible declarations.
        models: Names of all models.
    """

    def __init__(self, labels: Events, models: TokenizedNames) -> None:
        self._labels = labels
        self._words = models.terms
        newest_first = np.arange(len(labels.rows))[::-1].copy()
        self._shelf = InvertedIndex(self._words.take(labels.rows), len(models.vocabulary), newest_first)

    def votes(self, rows: Integers, moments: Doubles) -> KnnVotes:
        """Return what the models of the likest names declared before the moments.

        Args:
            rows: Models, shape (q,).
            moments: Days since 1970, shape (q,).
        """
        asked = self._words.take(rows)
        later = len(self._labels.times) - np.searchsorted(self._labels.times, moments)
        places, found, shared = self._shelf.search(asked, later)
        other = self._labels.rows[found] != rows[places]
        places, found, shared = places[other], found[other], shared[other]
        likeness = shared / np.sqrt(np.maximum(self._shelf.weight(asked)[places] * self._shelf.length[found], 1e-6))
        kept = top_k_per_group(places, likeness.astype(np.float32), NEAREST)
        places, likeness = places[kept], likeness[kept]
        keys = places * self._labels.num_values + self._labels.values[found[kept]]
        unique, which = np.unique(keys, return_inverse=True)
        likest = np.zeros(len(unique))
        np.maximum.at(likest, which, likeness)
        total = np.bincount(places, likeness, minlength=len(rows))
        owner = unique // self._labels.num_values
        share = np.bincount(which, likeness, minlength=len(unique)) / np.maximum(total[owner], 1e-9)
        return KnnVotes(owner, unique % self._labels.num_values, np.column_stack((likest, share)).astype(np.float32))
