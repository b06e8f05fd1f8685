"""Tests of `atlas_db/analysis/text_similarity.py`."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from atlas_db.analysis.compare import edit_script
from atlas_db.analysis.text_similarity import levenshtein_similarity, row_cosines, tfidf_weights


def _plain_cosine(left: Counter[str], right: Counter[str], weight: dict[str, float]) -> float:
    def norm(terms: Counter[str]) -> float:
        return math.sqrt(sum((number * weight[term]) ** 2 for term, number in terms.items()))

    dot = sum(left[term] * right[term] * weight[term] ** 2 for term in left)
    return dot / (norm(left) * norm(right))


def test_similarity_by_definition() -> None:
    documents = ["a a b", "a c", "b b c d", "d"]
    bags = [Counter(text.split()) for text in documents]
    words = sorted({word for bag in bags for word in bag})
    matrix = sparse.csr_array(np.array([[bag[word] for word in words] for bag in bags], float))
    held = {word: sum(word in bag for bag in bags) for word in words}
    idf = {word: math.log((1 + len(bags)) / (1 + held[word])) + 1 for word in words}
    left, right = map(np.array, zip(*combinations(range(4), 2), strict=True))
    flat = dict.fromkeys(words, 1.0)
    for found, weight in (
        (row_cosines(matrix, left, right), flat),
        (row_cosines(tfidf_weights(matrix), left, right), idf),
    ):
        expected = [_plain_cosine(bags[a], bags[b], weight) for a, b in zip(left, right, strict=True)]
        assert found == pytest.approx(expected)
    assert math.isnan(row_cosines(sparse.csr_array((2, 3)), np.array([0]), np.array([1]))[0])


def _distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@pytest.mark.slow
@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_levenshtein_by_definition_and_edit_scripts(left: str, right: str) -> None:
    (found,) = levenshtein_similarity([left], [right])
    if left and right:
        assert found == pytest.approx(1 - _distance(left, right) / max(len(left), len(right)))
    else:
        assert math.isnan(found)
    script = edit_script(left, right)
    assert "".join(span.left for span in script) == left
    assert "".join(span.right for span in script) == right
    changed = sum(max(len(span.left), len(span.right)) for span in script if span.tag != "equal")
    assert changed == _distance(left, right)
