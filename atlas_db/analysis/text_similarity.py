"""Three similarities of two texts (Laufer 2025, definitions 6.1 to 6.3), over metadata and model cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.groupings import traits_as_text
from atlas_db.core.arrays import Doubles, Integers

TRAITS = ("license", "pipeline_tag", "library_name", "model_type", "language", "datasets", "paper", "tags")
"""Attributes that make up the metadata. Names of parents are left out: siblings share them by construction."""


def metadata_terms(atlas: AtlasFrames) -> sparse.csr_array:
    """Return the metadata of all models as indicators, one column a (trait, value), shape (n, terms)."""
    return sparse.csr_array(sparse.hstack([atlas.matrix(trait) for trait in TRAITS], format="csr"))


def tfidf_weights(term_counts: sparse.csr_array) -> sparse.csr_array:
    """Return TF-IDF weights, tf * (ln((1 + n) / (1 + df)) + 1), each row of length one, shape (n, terms)."""
    if not term_counts.shape[1]:
        return term_counts
    return sparse.csr_array(TfidfTransformer(smooth_idf=True).fit_transform(term_counts))


def row_cosines(matrix: sparse.csr_array, left: Integers, right: Integers) -> Doubles:
    """Return cosines of pairs of rows (definition 6.1 on counts, 6.2 on TF-IDF), NaN for empty rows, shape (pairs,)."""
    a, b = matrix[left], matrix[right]
    dots = np.asarray((a * b).sum(axis=1), np.float64).ravel()
    norms = [np.sqrt(np.asarray((each * each).sum(axis=1), np.float64).ravel()) for each in (a, b)]
    length = norms[0] * norms[1]
    out: Doubles = np.divide(dots, length, out=np.full(len(dots), np.nan), where=length > 0)
    return out


def levenshtein_similarity(left: Sequence[str], right: Sequence[str]) -> Doubles:
    """Return 1 - distance / length of the longer text (definition 6.3), NaN where one is empty, shape (pairs,)."""
    return np.array(
        [Levenshtein.normalized_similarity(a, b) if a and b else np.nan for a, b in zip(left, right, strict=True)]
    )


def metadata_texts(atlas: AtlasFrames, rows: Integers) -> list[str]:
    """Return the metadata of some models as texts, one line a trait (Laufer 2025, figure 4).

    Args:
        atlas: The atlas.
        rows: Rows of the models, shape (n,).
    """
    values: dict[str, Iterator[list[str]]] = {}
    for trait in TRAITS:
        names, held = atlas.graph.columns[trait]
        lists = held.take(rows)
        named = [names[value] for value in lists.values.tolist()]
        values[trait] = (named[start:end] for start, end in pairwise(lists.indptr.tolist()))
    return [traits_as_text(dict(zip(TRAITS, each, strict=True))) for each in zip(*values.values(), strict=True)]


def card_terms(texts: Sequence[str]) -> sparse.csr_array:
    """Return word counts of cards, words of letters and digits in lower case, shape (cards, words)."""
    return sparse.csr_array(CountVectorizer(token_pattern=r"(?u)\w+").fit_transform(texts).astype(np.float64))
