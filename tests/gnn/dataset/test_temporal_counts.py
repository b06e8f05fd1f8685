"""Tests of `gnn/dataset/temporal_counts.py`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.columnar.graph import Column
from gnn.dataset.temporal_counts import COUNT_FEATURES, PointInTimeCounts, PrefixCounter, declaration_events
from gnn.parameters.candidate_parameters import CANDIDATE
from tests.support.strategies import declared


@pytest.mark.slow
@given(declared(), st.data())
def test_counts_are_those_of_a_plain_loop(given_: tuple[Column, np.ndarray, np.ndarray], data: st.DataObject) -> None:
    held, created, group = given_
    visible = np.array(data.draw(st.lists(st.booleans(), min_size=len(created), max_size=len(created))))
    known = declaration_events(held.codes, created, visible, max(len(held.categories), 1))
    history = PointInTimeCounts(known, group)
    queried, value = data.draw(st.integers(-1, 3)), data.draw(st.integers(0, max(len(held.categories) - 1, 0)))
    moment, date = data.draw(st.integers(0, 220)), 230.0
    seen = [
        (time, v, row) for time, v, row in zip(known.times, known.values, known.rows, strict=True)
        if group[row] == queried and queried >= 0 and time < moment
    ]  # fmt: skip
    assert all(visible[row] for row in known.rows)
    # The model in question is the second of two, and the value its first of two.
    groups, cutoffs = np.array([-1, queried]), np.array([0.0, float(moment)])
    _, found, _ = history.count_features(
        groups, cutoffs, np.array([0.0, date]), np.array([0, 1, 1]), np.array([value, value, 0])
    )
    if not seen:
        assert np.isnan(found).all()
    else:
        hits = [time for time, v, _ in seen if v == value]
        recent = [v for _, v, _ in seen[-CANDIDATE.recent_events :]].count(value)
        lately = sum(time >= moment - CANDIDATE.recent_days for time in hits)
        expected = [
            len(hits) / (len(seen) + 1), np.log1p(len(hits)), np.log1p(len(seen)), recent / min(len(seen), CANDIDATE.recent_events),
            np.log1p(lately), (date - hits[-1]) / 365.25 if hits else np.nan,
        ]  # fmt: skip
        assert found == pytest.approx(expected, nan_ok=True, rel=1e-5), COUNT_FEATURES
    mine = group[known.rows]
    before = PrefixCounter(known, mine).count_before(np.array([queried]), np.array([float(moment)]))
    assert before.tolist() == [len(seen)]
    _, values = history.most_frequent(np.array([queried]), np.array([float(moment)]))
    assert set(values.tolist()) == {v for _, v, _ in seen}
    latest = history.last_k(np.array([queried]), np.array([float(moment)]), 3)[0]
    assert [known.rows[rank] for rank in latest if rank >= 0] == [row for _, _, row in seen[::-1][:3]]
