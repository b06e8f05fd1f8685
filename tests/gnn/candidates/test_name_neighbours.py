"""Tests of `gnn/candidates/name_neighbours.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.columnar.graph import Column
from gnn.candidates.inverted_index import Vocabulary, tokenize_names
from gnn.candidates.name_neighbours import NameKNN
from gnn.dataset.temporal_counts import declaration_events
from gnn.parameters.candidate_parameters import CANDIDATE
from tests.support.strategies import NAMES, declared, token_set


@pytest.mark.slow
@given(declared(), st.data())
def test_votes_of_like_names_are_those_of_a_plain_loop(
    given_: tuple[Column, np.ndarray, np.ndarray], data: st.DataObject
) -> None:
    held, created, _ = given_
    n = len(created)
    ids = [f"a/{name}" for name in data.draw(NAMES.filter(lambda names: len(names) > 1))]
    ids = [ids[row % len(ids)] for row in range(n)]
    known = declaration_events(held.codes, created, np.ones(n, bool), max(len(held.categories), 1))
    moment = float(data.draw(st.integers(0, 220)))
    votes = NameKNN(known, tokenize_names(ids, Vocabulary())).votes(np.arange(n), np.full(n, moment))
    docs = [(known.rows[at], known.values[at]) for at in range(len(known.rows))]

    tokens = [token_set(id[2:]) for id in ids]

    def weight(shared: set[str]) -> float:
        uses = [sum(word in tokens[row] for row, _ in docs) for word in shared]
        return sum(np.log((len(docs) + 1) / (count + 1)) ** 2 for count in uses)

    for row in range(n):
        similarity = [
            (weight(tokens[row] & tokens[other])
             / np.sqrt(max(weight(tokens[row]) * weight(tokens[other]), 1e-6)), value)
            for at, (other, value) in enumerate(docs)
            if other != row and known.times[at] < moment and tokens[row] & tokens[other]
        ]  # fmt: skip
        mine = votes.query_index == row
        if len(similarity) <= CANDIDATE.nearest_names:
            total = sum(like for like, _ in similarity)
            expected = {
                value: (
                    max(like for like, other in similarity if other == value),
                    sum(like for like, other in similarity if other == value) / max(total, 1e-9),
                )
                for value in {value for _, value in similarity}
            }
            found = dict(zip(votes.values[mine].tolist(), map(tuple, votes.features[mine].tolist()), strict=True))
            assert found.keys() == expected.keys()
            for value, listed in expected.items():
                assert found[value] == pytest.approx(listed, abs=1e-3)
        queried = np.arange(known.num_values)
        about = votes.features_of(np.full(known.num_values, row), queried, known.num_values)
        assert {int(value) for value in queried[about[:, 0] > 0]} <= set(votes.values[mine].tolist())
