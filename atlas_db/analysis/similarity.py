"""Family likeness (paper 001, section 6, figures 5 and 6): kin against strangers, over metadata and over cards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import sparse

from atlas_db.analysis.frames import Atlas
from atlas_db.analysis.tables import Table, ratio_interval
from atlas_db.analysis.text_similarity import (
    card_terms,
    cosine,
    levenshtein,
    metadata_text,
    terms,
    weighted,
)
from atlas_db.core.arrays import Doubles, Flags, Integers

SAMPLE = 20_000
CARDS = 2_000
Draw = tuple[Integers, Integers, Integers]
"""Rows of the left and right models, and what each pair hangs from."""


def similarity(atlas: Atlas, *, seed: int = 0, sample: int = SAMPLE) -> list[Table]:
    """Return how alike kin are beside strangers.

    Args:
        atlas: The atlas.
        seed: Seed of the draws.
        sample: Pairs drawn of each kind.
    """
    frame = measured(atlas, atlas.recorded, _metadata(atlas), seed, sample)
    tables = [
        Table(
            "similarity",
            "Likeness of metadata, kin against strangers",
            "Paper 001, definitions 6.1 (bag), 6.2 (tfidf), 6.3 (levenshtein) and figures 5 and 6, parents' names left "
            f"out; pairs drawn evenly over pairs, or over parents first; 95 % intervals over parents; seed {seed}, "
            f"{sample:,} pairs a kind; pairs of which one declares nothing are left out",
            frame,
        )
    ]
    with_card = atlas.recorded & np.array([value is not None for value in atlas.graph.extra_properties["card_length"]])
    if with_card.sum() > 1:
        size = min(sample, CARDS)
        cards = measured(atlas, with_card, _cards(atlas), seed, size)
        tables.append(
            Table(
                "card_similarity",
                "Likeness of cards, kin against strangers",
                f"The same over the text of model cards without front matter; seed {seed}, {size:,} pairs a kind",
                cards,
            )
        )
    return tables


Measure = Callable[[Integers, Integers], dict[str, Doubles]]


def _metadata(atlas: Atlas) -> Measure:
    counted = terms(atlas)
    weights = weighted(counted)

    def measure(left: Integers, right: Integers) -> dict[str, Doubles]:
        texts = {row: metadata_text(atlas, row) for row in np.unique(np.concatenate((left, right))).tolist()}
        return {
            "bag": cosine(counted, left, right),
            "tfidf": cosine(weights, left, right),
            "levenshtein": levenshtein([texts[row] for row in left], [texts[row] for row in right]),
        }

    return measure


def _cards(atlas: Atlas) -> Measure:
    def measure(left: Integers, right: Integers) -> dict[str, Doubles]:
        texts = atlas.card_texts(np.unique(np.concatenate((left, right))))
        rows = {row: at for at, row in enumerate(texts)}
        at = np.array([rows.get(int(row), -1) for row in (*left, *right)]).reshape(2, -1)
        found: Flags = np.all(at >= 0, axis=0)
        a, b = at[:, found]
        both = list(texts.values())
        counted = card_terms(both) if both else sparse.csr_array((0, 1))
        out = {
            "bag": cosine(counted, a, b),
            "tfidf": cosine(weighted(counted), a, b) if both else np.zeros(0),
            "levenshtein": levenshtein([both[each] for each in a], [both[each] for each in b]),
        }
        return {name: _spread(values, found) for name, values in out.items()}

    return measure


def _spread(values: Doubles, found: Flags) -> Doubles:
    out = np.full(len(found), np.nan)
    out[found] = values
    return out


def measured(atlas: Atlas, among: Flags, measure: Measure, seed: int, sample: int) -> pd.DataFrame:
    """Measure pairs of each kind; rows: kind, drawn (over pairs or parents), measure, mean, low, high, pairs."""
    rows = []
    for kind, drawn, draw in _draws(atlas, among):
        left, right, hanger = draw(np.random.default_rng(seed), sample)
        if not len(left):
            continue
        for name, values in measure(left, right).items():
            kept = ~np.isnan(values)
            mean, low, high = ratio_interval(values[kept], np.ones(kept.sum(), np.int64), hanger[kept], seed)
            rows.append((kind, drawn, name, mean, low, high, int(kept.sum())))
    return pd.DataFrame(rows, columns=["kind", "drawn", "measure", "mean", "low", "high", "pairs"])


def _draws(atlas: Atlas, among: Flags) -> list[tuple[str, str, Callable[[np.random.Generator, int], Draw]]]:
    kin = _Kin(atlas, among)
    return [
        ("parent and child", "pairs", kin.children),
        ("parent and child", "parents", lambda rng, size: kin.children(rng, size, even=True)),
        ("siblings", "pairs", kin.siblings),
        ("siblings", "parents", lambda rng, size: kin.siblings(rng, size, even=True)),
        ("grandparent and grandchild", "pairs", kin.grandchildren),
        ("uncle and nephew", "pairs", kin.nephews),
        ("strangers", "pairs", kin.strangers),
        ("strangers with kin", "pairs", lambda rng, size: kin.strangers(rng, size, linked=True)),
    ]


class _Kin:
    """Draws pairs of kin from the declared edges between models that count."""

    def __init__(self, atlas: Atlas, among: Flags) -> None:
        edges = atlas.declared
        edges = edges[among[edges["child"]] & among[edges["parent"]]].sort_values(["parent", "child"])
        self.child, self.parent = edges["child"].to_numpy(), edges["parent"].to_numpy()
        self.starts = np.searchsorted(self.parent, np.arange(len(atlas.graph) + 1))
        self.number = np.diff(self.starts)
        self.everyone = np.flatnonzero(among)
        self.linked = np.unique(np.concatenate((self.child, self.parent)))
        self.family = atlas.forest.root

    def _child_of(self, rng: np.random.Generator, parent: Integers) -> Integers:
        at: Integers = self.starts[parent] + (rng.random(len(parent)) * self.number[parent]).astype(np.int64)
        return np.asarray(self.child[at], np.int64)

    def children(self, rng: np.random.Generator, size: int, *, even: bool = False) -> Draw:
        if not len(self.child):
            return _nobody()
        if even:
            parent = rng.choice(np.flatnonzero(self.number), size)
            return parent, self._child_of(rng, parent), parent
        at = rng.integers(0, len(self.child), size)
        return self.parent[at], self.child[at], self.parent[at]

    def siblings(self, rng: np.random.Generator, size: int, *, even: bool = False) -> Draw:
        pairs = self.number * (self.number - 1) / 2
        if not pairs.any():
            return _nobody()
        chance = (pairs > 0) / (pairs > 0).sum() if even else pairs / pairs.sum()
        parent = rng.choice(len(pairs), size, p=chance)
        first = (rng.random(size) * self.number[parent]).astype(np.int64)
        second = (first + 1 + (rng.random(size) * (self.number[parent] - 1)).astype(np.int64)) % self.number[parent]
        return self.child[self.starts[parent] + first], self.child[self.starts[parent] + second], parent

    def grandchildren(self, rng: np.random.Generator, size: int) -> Draw:
        chance = self.number[self.child]
        if not chance.any():
            return _nobody()
        at = rng.choice(len(self.child), size, p=chance / chance.sum())
        return self.parent[at], self._child_of(rng, self.child[at]), self.parent[at]

    def nephews(self, rng: np.random.Generator, size: int) -> Draw:
        chance = self.number[self.child] * (self.number[self.parent] - 1)
        if not chance.any():
            return _nobody()
        at = rng.choice(len(self.child), size, p=chance / chance.sum())
        uncle = self._child_of(rng, self.parent[at])
        other = uncle != self.child[at]
        return uncle[other], self._child_of(rng, self.child[at][other]), self.parent[at][other]

    def strangers(self, rng: np.random.Generator, size: int, *, linked: bool = False) -> Draw:
        pool = self.linked if linked else self.everyone
        if len(pool) < 2:
            return _nobody()
        left, right = rng.choice(pool, size), rng.choice(pool, size)
        apart = self.family[left] != self.family[right]
        return left[apart], right[apart], np.arange(apart.sum())


def _nobody() -> Draw:
    nobody = np.zeros(0, np.int64)
    return nobody, nobody, nobody
