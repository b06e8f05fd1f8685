"""Tests of `gnn/candidates/inverted_index.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnn.candidates.inverted_index import InvertedIndex, Vocabulary, tokenize_names, top_k_per_group
from gnn.parameters.candidate_parameters import CANDIDATE
from tests.support.strategies import NAMES, token_set


@pytest.mark.slow
@given(NAMES, NAMES, st.data())
def test_names_that_share_words_are_found_without_comparing_all(
    names: list[str], queried: list[str], data: st.DataObject
) -> None:
    vocabulary = Vocabulary()
    token_lists, questions = vocabulary.terms(names), vocabulary.terms(queried)
    order = np.array(data.draw(st.permutations(range(len(names)))), np.int64)
    since = np.array(data.draw(st.lists(st.integers(0, len(names)), min_size=len(queried), max_size=len(queried))))
    index = InvertedIndex(token_lists, len(vocabulary), order)

    def weight(shared: set[str]) -> float:
        uses = [sum(word in token_set(name) for name in names) for word in shared]
        return sum(np.log((len(names) + 1) / (count + 1)) ** 2 for count in uses)

    expected = {
        (place, row): weight(token_set(mine) & token_set(theirs))
        for place, mine in enumerate(queried) for row, theirs in enumerate(names)
        if token_set(mine) & token_set(theirs) and order[row] >= since[place]
    }  # fmt: skip
    places, rows, shared = index.search(questions, since)
    found = dict(zip(zip(places.tolist(), rows.tolist(), strict=True), shared.tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-4)
    assert index.weight(questions) == pytest.approx([weight(token_set(name)) for name in queried], abs=1e-4)
    assert index.length == pytest.approx([weight(token_set(name)) for name in names], abs=1e-4)
    every = np.repeat(np.arange(len(queried)), len(names)), np.tile(np.arange(len(names)), len(queried))
    again, counts = index.shared_weight(questions, *every)
    pairs = [token_set(mine) & token_set(theirs) for mine in queried for theirs in names]
    assert again == pytest.approx([weight(shared) for shared in pairs], abs=1e-4)
    assert counts.tolist() == [len(shared) for shared in pairs]


@pytest.mark.slow
@given(NAMES, st.data())
def test_owners_words_stand_before_names(names: list[str], data: st.DataObject) -> None:
    owners = data.draw(NAMES)
    of = np.array(data.draw(st.lists(st.integers(-1, len(owners) - 1), min_size=len(names), max_size=len(names))))
    vocabulary = Vocabulary()
    signed = tokenize_names(names, vocabulary).with_owner(owners, of.astype(np.int64))
    whole = [f"{owners[owner]} {name}" if owner >= 0 else name for owner, name in zip(of, names, strict=True)]
    again = vocabulary.terms(whole)
    assert [signed.terms.row(row).tolist() for row in range(len(names))] == [
        again.row(row).tolist() for row in range(len(names))
    ]


def test_long_lists_are_read_at_their_head_alone() -> None:
    vocabulary = Vocabulary()
    token_lists = vocabulary.terms(["tern"] * (3 * CANDIDATE.champion_list))
    index = InvertedIndex(token_lists, len(vocabulary), np.arange(3 * CANDIDATE.champion_list)[::-1].copy())
    _, rows, _ = index.search(vocabulary.terms(["tern"]))
    assert sorted(rows) == list(range(2 * CANDIDATE.champion_list, 3 * CANDIDATE.champion_list))
    _, rows, _ = index.search(vocabulary.terms(["tern"]), np.array([3 * CANDIDATE.champion_list - 5]))
    assert sorted(rows) == list(range(5))


def test_the_best_of_each_place() -> None:
    kept = top_k_per_group(np.array([0, 0, 0, 2, 2]), np.array([1.0, 3.0, 2.0, 5.0, 4.0], np.float32), 2)
    assert kept.tolist() == [1, 2, 3, 4]
