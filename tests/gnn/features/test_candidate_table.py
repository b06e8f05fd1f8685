"""Tests of `gnn/features/candidate_table.py`."""

from __future__ import annotations

import numpy as np
import pytest

from gnn.candidates.generate import CandidateGenerator
from gnn.features.candidate_table import NETWORK_FEATURES, ROWS_PER_BLOCK, CandidateTableBuilder, hstack_in_blocks
from tests.support.memory_graph import neighbourhood_of, smoothed, table_of


@pytest.mark.parametrize("attribute", ["license", "base_model"])
def test_each_feature_of_a_table_has_a_name_and_scores_come_last(attribute: str) -> None:
    neighbourhood = neighbourhood_of(attribute)
    builder = neighbourhood.derived(CandidateTableBuilder)
    query, scores, table = table_of(neighbourhood)
    names = [*builder.feature_names, *NETWORK_FEATURES]
    assert table.features.shape == (len(table.values), len(names)) and len(set(names)) == len(names)
    last = table.features[:, -len(NETWORK_FEATURES) :]
    assert np.array_equal(last, scores.features_of(table.query_index, table.values), equal_nan=True)
    alone = builder.build(query, None, scores.top_values(1), scores, smoothed)
    assert np.array_equal(alone.features, table.features[:, : -len(NETWORK_FEATURES)], equal_nan=True)
    kept = table.filter(table.query_index == 0)
    assert len(kept.values) == (table.query_index == 0).sum() == len(kept.features)


def test_inferred_edges_are_a_feature() -> None:
    neighbourhood = neighbourhood_of("base_model")
    names = neighbourhood.derived(CandidateTableBuilder).feature_names
    query, _, table = table_of(neighbourhood)
    inferred = CandidateGenerator(neighbourhood).inferred_parents
    expected = [
        value in inferred.row(query.rows[at]) for at, value in zip(table.query_index, table.values, strict=True)
    ]
    assert table.features[:, names.index("inferred from weights")].tolist() == expected and any(expected)


def test_counts_by_group_are_read_back_from_features() -> None:
    neighbourhood = neighbourhood_of("license")
    query, _, table = table_of(neighbourhood)
    events, author = neighbourhood.events, neighbourhood.graph.author
    counts = neighbourhood.derived(CandidateTableBuilder).group_counts(table.features)
    by_author = neighbourhood.group_names.index("author")
    for at in range(len(table.values)):
        row, cutoff = query.rows[table.query_index[at]], query.cutoffs[table.query_index[at]]
        seen = (events.times < cutoff) & (author[events.rows] == author[row])
        expected = (int((seen & (events.values == table.values[at])).sum()), int(seen.sum()))
        assert (counts.positives[at, by_author], counts.total[at, by_author]) == expected


def test_blocks_of_rows_are_joined_as_a_whole() -> None:
    rng = np.random.default_rng(2)
    parts = [rng.random((ROWS_PER_BLOCK + 7, width), np.float32) for width in (3, 1, 2)]
    assert np.array_equal(hstack_in_blocks(parts), np.concatenate(parts, 1))
