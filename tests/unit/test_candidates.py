"""Arrays, queries, candidate generation and the feature table, on a graph that is made in memory."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.columnar.graph import MULTI_VALUED, SINGLE_VALUED, Graph, ListedDatasets
from atlas_db.columnar.read import category_column
from atlas_db.core.arrays import CsrLists, Floats, Integers, csr_lists, ranges, unique_sorted
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import CompletionError
from gnn.candidates.generate import CandidateGenerator
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS
from gnn.features.candidate_table import (
    CLASS_SCORE_FEATURES,
    ROWS_PER_BLOCK,
    CandidateTable,
    CandidateTableBuilder,
    ClassScores,
    hstack_in_blocks,
)
from gnn.features.neighbours import neighbour_groupings, sample_neighbours
from gnn.models.graph_network import top_values
from gnn.parameters.candidate_parameters import CANDIDATE

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8)
AUTHORS = ("tern", "heron", "wren")
MODELS = 60


def csr_of(lists: list[list[int]]) -> CsrLists:
    rows = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    return csr_lists(len(lists), rows, np.array([value for each in lists for value in each], np.int64))


@given(LISTS, st.data())
def test_csr_lists_are_lists_of_lists(lists: list[list[int]], data: st.DataObject) -> None:
    csr = csr_of(lists)
    rows = data.draw(st.lists(st.integers(-1, len(lists) - 1), max_size=6))
    taken = csr.take(np.array(rows, np.int64))
    assert [taken.row(at).tolist() for at in range(len(rows))] == [lists[row] if row >= 0 else [] for row in rows]
    assert csr.counts.tolist() == [len(each) for each in lists]
    assert csr.first.tolist() == [each[0] if each else -1 for each in lists]
    assert csr.rows.tolist() == [row for row, each in enumerate(lists) for _ in each]
    assert unique_sorted(csr.values).tolist() == sorted(set(csr.values.tolist()))


def test_rows_outside_of_the_lists_are_an_error() -> None:
    with pytest.raises(CompletionError, match="outside"):
        csr_lists(2, np.array([0, 2]), np.array([1, 1]))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_ranges_are_concatenated(pairs: list[tuple[int, int]]) -> None:
    starts, counts = (np.array([pair[at] for pair in pairs], np.int64) for at in (0, 1))
    assert ranges(starts, counts).tolist() == [n for start, count in pairs for n in range(start, start + count)]


def test_cores_are_counted_where_processes_have_no_set_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_queries_are_cut_and_joined() -> None:
    query = CompletionQuery(np.arange(5), np.arange(5) * 2.0, np.array([True, False, True, True, False]))
    again = CompletionQuery.concat([query.subset(slice(0, 2)), query.subset(np.arange(2, 5))])
    assert len(again) == 5
    for name in ("rows", "cutoffs", "metadata_visible"):
        assert np.array_equal(getattr(again, name), getattr(query, name))


def made_graph() -> Graph:
    """Return models of three authors: each third is a child of the model three before it."""
    ids = [f"{AUTHORS[row % 3]}/bird-{row // 3:02d}" for row in range(MODELS)]
    order = np.argsort(ids)
    number = np.empty(MODELS, np.int64)
    number[order] = np.arange(MODELS)
    created = np.empty(MODELS)
    created[number] = 19000.0 + np.arange(MODELS)
    licensed = np.arange(0, MODELS, 2)
    columns = {name: category_column(MODELS, np.zeros(0, np.int64), []) for name in (*SINGLE_VALUED, *MULTI_VALUED)}
    columns["license"] = category_column(MODELS, number[licensed], ["mit" if row % 3 else "gpl" for row in licensed])
    columns["tags"] = category_column(MODELS, number, [AUTHORS[row % 3] for row in range(MODELS)])
    edges = sorted((int(number[row]), int(number[row - 3])) for row in range(3, MODELS))
    child, parent = (np.array([edge[at] for edge in edges], np.int64) for at in (0, 1))
    declared = child % 2 == 0
    return Graph(
        [ids[row] for row in order], np.zeros(MODELS, bool), created, np.zeros(MODELS, np.int64),
        np.arange(MODELS) % 7, sorted(AUTHORS), np.array([sorted(AUTHORS).index(AUTHORS[row % 3]) for row in order]),
        np.full(MODELS, -1, np.int64), columns, ListedDatasets([], np.empty(0)), csr_lists(MODELS, child, parent),
        np.zeros(len(child), np.int64), np.ones(len(child), np.float32), declared, ~declared, {},
    )  # fmt: skip


def neighbourhood_of(attribute: str) -> Neighbourhood:
    graph = made_graph()
    token_table = TokenTable(graph, lineage=attribute != "base_model")
    return Neighbourhood(graph, TASKS[attribute], token_table, np.ones(MODELS, bool))


def latest_query(neighbourhood: Neighbourhood) -> CompletionQuery:
    rows = np.arange(0, MODELS, 5)
    return CompletionQuery(rows, neighbourhood.graph.event_time[rows], np.ones(len(rows), bool))


def table_of(neighbourhood: Neighbourhood) -> tuple[CompletionQuery, ClassScores, CandidateTable]:
    query, num_values = latest_query(neighbourhood), neighbourhood.events.num_values
    class_of_value = np.full(num_values, -1, np.int64)
    class_of_value[:2] = (1, 0)
    logits = np.random.default_rng(1).normal(size=(len(query), 2)).astype(np.float32)
    scores = ClassScores(logits, class_of_value)

    def smoothed(query_index: Integers, _: Integers) -> Floats:
        return np.zeros((len(query_index), len(CANDIDATE.smoothed_groups)), np.float32)

    builder = neighbourhood.derived(CandidateTableBuilder)
    return query, scores, builder.build(query, scores, top_values(scores, 1), scores, smoothed)


def test_what_is_derived_is_built_once() -> None:
    neighbourhood = neighbourhood_of("license")
    assert neighbourhood.derived(CandidateTableBuilder) is neighbourhood.derived(CandidateTableBuilder)


def test_likely_values_are_those_of_the_highest_scores() -> None:
    scores = ClassScores(np.array([[0.1, 0.9, 0.5]], np.float32), np.array([2, -1, 0, 1]))
    assert sorted(top_values(scores, 2)[0].tolist()) == [0, 3]
    assert sorted(top_values(scores, 9)[0].tolist()) == [0, 2, 3]


def test_candidates_are_unique_and_values_of_groups_were_declared_before() -> None:
    neighbourhood = neighbourhood_of("license")
    query = latest_query(neighbourhood)
    found = CandidateGenerator(neighbourhood).generate(query, np.zeros((len(query), 0), np.int64), None)
    pairs = list(zip(found.query_index.tolist(), found.values.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert set(found.query_index.tolist()) == set(range(len(query)))


def test_candidate_parents_are_older_and_inferred_ones_are_among_them() -> None:
    neighbourhood = neighbourhood_of("base_model")
    graph, query = neighbourhood.graph, latest_query(neighbourhood)
    generator = CandidateGenerator(neighbourhood)
    found = generator.generate(query, np.zeros((len(query), 0), np.int64), generator.name_votes(query))
    children = query.rows[found.query_index]
    assert (graph.created[found.values] <= graph.created[children]).all() and (found.values != children).all()
    pairs = set(zip(children.tolist(), found.values.tolist(), strict=True))
    inferred = generator.inferred_parents
    expected = {(row, parent) for row in query.rows.tolist() for parent in inferred.row(row).tolist()}
    assert expected and expected <= pairs


@pytest.mark.parametrize("attribute", ["license", "base_model"])
def test_each_feature_of_a_table_has_a_name_and_scores_come_last(attribute: str) -> None:
    neighbourhood = neighbourhood_of(attribute)
    builder = neighbourhood.derived(CandidateTableBuilder)
    _, scores, table = table_of(neighbourhood)
    assert table.features.shape == (len(table.values), len(builder.feature_names))
    assert len(set(builder.feature_names)) == len(builder.feature_names)
    last = table.features[:, -len(CLASS_SCORE_FEATURES) :]
    assert np.array_equal(last, scores.features_of(table.query_index, table.values), equal_nan=True)
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
    for at in range(len(table.values)):
        row, cutoff = query.rows[table.query_index[at]], query.cutoffs[table.query_index[at]]
        seen = (events.times < cutoff) & (author[events.rows] == author[row])
        counts = {
            name: (positives, total)
            for name, _, positives, total in neighbourhood.derived(CandidateTableBuilder).group_counts(
                table.features[at]
            )
        }
        expected = (int((seen & (events.values == table.values[at])).sum()), int(seen.sum()))
        assert counts.get("author", (0, 0)) == expected


def test_labelled_neighbours_were_declared_before_the_cutoff() -> None:
    neighbourhood = neighbourhood_of("license")
    query = latest_query(neighbourhood)
    found = sample_neighbours(neighbourhood, query, np.arange(neighbourhood.events.num_values))
    at, column = np.nonzero(found.neighbours >= 0)
    times = neighbourhood.graph.event_time[found.neighbours[at, column]]
    assert len(at) and (times < query.cutoffs[at]).all()
    assert len(neighbour_groupings(neighbourhood)) == found.kinds.max() + 1
    assert (found.labels[found.neighbours < 0] == 0).all() and len(found) == len(query)


def test_blocks_of_rows_are_joined_as_a_whole() -> None:
    rng = np.random.default_rng(2)
    parts = [rng.random((ROWS_PER_BLOCK + 7, width), np.float32) for width in (3, 1, 2)]
    assert np.array_equal(hstack_in_blocks(parts), np.concatenate(parts, 1))
