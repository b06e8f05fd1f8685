"""Similarity of related and unrelated pairs, of metadata and cards (Laufer 2025, section 6, figures 5 and 6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import sparse

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.tables import AnalysisTable, ratio_interval
from atlas_db.analysis.text_similarity import (
    card_terms,
    levenshtein_similarity,
    metadata_terms,
    metadata_texts,
    row_cosines,
    tfidf_weights,
)
from atlas_db.core.arrays import Doubles, Flags, Integers

SAMPLE = 20_000
CARD_SAMPLE = 2_000
UNRELATED, UNRELATED_LINKED = "unrelated", "unrelated, both with relatives"
"""Kinds of pairs from two families: of any models, and of models that each have a parent or a child."""
Draw = tuple[Integers, Integers, Integers]
"""Rows of the left and right models, and the cluster of each pair for the bootstrap; each of shape (n,)."""


def similarity(atlas: AtlasFrames, *, seed: int = 0, sample: int = SAMPLE) -> list[AnalysisTable]:
    """Return the similarity of related and of unrelated pairs, with intervals.

    Args:
        atlas: The atlas.
        seed: Seed of the draws.
        sample: Pairs drawn of each kind.
    """
    frame = measure_pairs(atlas, atlas.recorded, _metadata_measure(atlas), seed, sample)
    tables = [
        AnalysisTable(
            "similarity",
            "Similarity of metadata, related and unrelated pairs",
            "Laufer 2025, definitions 6.1 (bag), 6.2 (tfidf), 6.3 (levenshtein) and figures 5 and 6, without names "
            f"of parents; drawn uniformly over pairs, or over parents first; 95 % intervals over parents; seed {seed}, "
            f"{sample:,} pairs a kind; pairs with a model that declares nothing are left out",
            frame,
        )
    ]
    with_card = atlas.recorded & np.array([value is not None for value in atlas.graph.extra_properties["card_length"]])
    if with_card.sum() > 1:
        size = min(sample, CARD_SAMPLE)
        cards = measure_pairs(atlas, with_card, _card_measure(atlas), seed, size)
        tables.append(
            AnalysisTable(
                "card_similarity",
                "Similarity of cards, related and unrelated pairs",
                f"The same over the text of model cards without front matter; seed {seed}, {size:,} pairs a kind",
                cards,
            )
        )
    return tables


Measure = Callable[[Integers, Integers], dict[str, Doubles]]


def _metadata_measure(atlas: AtlasFrames) -> Measure:
    counted = metadata_terms(atlas)
    weights = tfidf_weights(counted)

    def measure(left: Integers, right: Integers) -> dict[str, Doubles]:
        rows, at = np.unique(np.concatenate((left, right)), return_inverse=True)
        texts = metadata_texts(atlas, rows)
        lefts, rights = ([texts[place] for place in half.tolist()] for half in np.split(at, [len(left)]))
        return {
            "bag": row_cosines(counted, left, right),
            "tfidf": row_cosines(weights, left, right),
            "levenshtein": levenshtein_similarity(lefts, rights),
        }

    return measure


def _card_measure(atlas: AtlasFrames) -> Measure:
    def measure(left: Integers, right: Integers) -> dict[str, Doubles]:
        texts = atlas.card_texts(np.unique(np.concatenate((left, right))))
        rows = {row: at for at, row in enumerate(texts)}
        at = np.array([rows.get(int(row), -1) for row in (*left, *right)]).reshape(2, -1)
        found: Flags = np.all(at >= 0, axis=0)
        a, b = at[:, found]
        both = list(texts.values())
        counted = card_terms(both) if both else sparse.csr_array((0, 1))
        out = {
            "bag": row_cosines(counted, a, b),
            "tfidf": row_cosines(tfidf_weights(counted), a, b) if both else np.zeros(0),
            "levenshtein": levenshtein_similarity([both[each] for each in a], [both[each] for each in b]),
        }
        return {name: _spread(values, found) for name, values in out.items()}

    return measure


def _spread(values: Doubles, found: Flags) -> Doubles:
    out = np.full(len(found), np.nan)
    out[found] = values
    return out


def measure_pairs(atlas: AtlasFrames, among: Flags, measure: Measure, seed: int, sample: int) -> pd.DataFrame:
    """Return means with intervals: kind, drawn (over pairs or parents), measure, mean, low, high, pairs."""
    rows = []
    for kind, drawn, draw in _pair_kinds(atlas, among):
        left, right, hanger = draw(np.random.default_rng(seed), sample)
        if not len(left):
            continue
        for name, values in measure(left, right).items():
            kept = ~np.isnan(values)
            mean, low, high = ratio_interval(values[kept], np.ones(kept.sum(), np.int64), hanger[kept], seed)
            rows.append((kind, drawn, name, mean, low, high, int(kept.sum())))
    return pd.DataFrame(rows, columns=["kind", "drawn", "measure", "mean", "low", "high", "pairs"])


def _pair_kinds(atlas: AtlasFrames, among: Flags) -> list[tuple[str, str, Callable[[np.random.Generator, int], Draw]]]:
    sampler = _PairSampler(atlas, among)
    return [
        ("parent and child", "pairs", sampler.children),
        ("parent and child", "parents", lambda rng, size: sampler.children(rng, size, even=True)),
        ("siblings", "pairs", sampler.siblings),
        ("siblings", "parents", lambda rng, size: sampler.siblings(rng, size, even=True)),
        ("grandparent and grandchild", "pairs", sampler.grandchildren),
        ("uncle and nephew", "pairs", sampler.uncles_and_nephews),
        (UNRELATED, "pairs", sampler.unrelated),
        (UNRELATED_LINKED, "pairs", lambda rng, size: sampler.unrelated(rng, size, linked=True)),
    ]


class _PairSampler:
    """Draws pairs of related and of unrelated models from the declared edges."""

    def __init__(self, atlas: AtlasFrames, among: Flags) -> None:
        edges = atlas.declared
        edges = edges[among[edges["child"]] & among[edges["parent"]]].sort_values(["parent", "child"])
        self.child, self.parent = edges["child"].to_numpy(), edges["parent"].to_numpy()
        self.starts = np.searchsorted(self.parent, np.arange(len(atlas.graph) + 1))
        self.child_counts = np.diff(self.starts)
        self.all_rows = np.flatnonzero(among)
        self.linked = np.unique(np.concatenate((self.child, self.parent)))
        self.family = atlas.forest.root

    def _child_of(self, rng: np.random.Generator, parent: Integers) -> Integers:
        at: Integers = self.starts[parent] + (rng.random(len(parent)) * self.child_counts[parent]).astype(np.int64)
        return np.asarray(self.child[at], np.int64)

    def children(self, rng: np.random.Generator, size: int, *, even: bool = False) -> Draw:
        if not len(self.child):
            return _no_pairs()
        if even:
            parent = rng.choice(np.flatnonzero(self.child_counts), size)
            return parent, self._child_of(rng, parent), parent
        at = rng.integers(0, len(self.child), size)
        return self.parent[at], self.child[at], self.parent[at]

    def siblings(self, rng: np.random.Generator, size: int, *, even: bool = False) -> Draw:
        pairs = self.child_counts * (self.child_counts - 1) / 2
        if not pairs.any():
            return _no_pairs()
        chance = (pairs > 0) / (pairs > 0).sum() if even else pairs / pairs.sum()
        parent = rng.choice(len(pairs), size, p=chance)
        first = (rng.random(size) * self.child_counts[parent]).astype(np.int64)
        second = (
            first + 1 + (rng.random(size) * (self.child_counts[parent] - 1)).astype(np.int64)
        ) % self.child_counts[parent]
        return self.child[self.starts[parent] + first], self.child[self.starts[parent] + second], parent

    def grandchildren(self, rng: np.random.Generator, size: int) -> Draw:
        chance = self.child_counts[self.child]
        if not chance.any():
            return _no_pairs()
        at = rng.choice(len(self.child), size, p=chance / chance.sum())
        return self.parent[at], self._child_of(rng, self.child[at]), self.parent[at]

    def uncles_and_nephews(self, rng: np.random.Generator, size: int) -> Draw:
        chance = self.child_counts[self.child] * (self.child_counts[self.parent] - 1)
        if not chance.any():
            return _no_pairs()
        at = rng.choice(len(self.child), size, p=chance / chance.sum())
        uncle = self._child_of(rng, self.parent[at])
        other = uncle != self.child[at]
        return uncle[other], self._child_of(rng, self.child[at][other]), self.parent[at][other]

    def unrelated(self, rng: np.random.Generator, size: int, *, linked: bool = False) -> Draw:
        pool = self.linked if linked else self.all_rows
        if len(pool) < 2:
            return _no_pairs()
        left, right = rng.choice(pool, size), rng.choice(pool, size)
        apart = self.family[left] != self.family[right]
        return left[apart], right[apart], np.arange(apart.sum())


def _no_pairs() -> Draw:
    none = np.zeros(0, np.int64)
    return none, none, none
