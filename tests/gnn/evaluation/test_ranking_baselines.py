"""Tests of `gnn/evaluation/ranking_baselines.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.columnar.repository_names import stem
from atlas_db.store.bolt import Store
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS
from gnn.evaluation.ranking_baselines import last_by_author, list_baselines, name_contains, strip_suffix, token_overlap
from tests.support.graphs import load_rows


@pytest.mark.train
def test_what_lists_are_compared_with(typed_graph: Graph) -> None:
    cutoff = float(np.quantile(typed_graph.created, 0.8))
    around = Neighbourhood(
        typed_graph, TASKS["base_model"], TokenTable(typed_graph, lineage=False), typed_graph.created < cutoff
    )
    rows = np.flatnonzero((typed_graph.created >= cutoff) & (typed_graph.parents.counts > 0))
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    seen = {row: value for row, value in zip(around.events.rows.tolist(), around.events.values.tolist(), strict=True)}
    observed = last_by_author(around, query)
    for place in range(0, len(rows), 25):
        author = typed_graph.author[rows[place]]
        theirs = [row for row in seen if typed_graph.author[row] == author]
        newest = sorted(theirs, key=lambda row: -typed_graph.created[row])[:10]
        assert observed.values[observed.query_index == place].tolist() == [seen[row] for row in newest]
    ranked = list_baselines(around, query)
    assert {"recent popularity", "contained name", "token overlap"} < set(ranked)
    assert "siblings" not in ranked  # lineage may not be looked at
    for each in ranked.values():
        assert (np.diff(each.query_index * around.events.num_values + each.values) > 0).all()
        assert (typed_graph.created[each.values] <= typed_graph.created[rows[each.query_index]]).all()
    words = token_overlap(around, query)
    assert np.bincount(words.query_index).max() <= 10 and (words.scores <= 1).all()


@pytest.mark.train
def test_names_within_names(local_store: Store, tmp_path: Path) -> None:
    rows = [
        {"id": name, "modelId": name, "tags": [], "createdAt": f"2024-01-0{at + 1}T00:00:00.000Z"}
        for at, name in enumerate(("a/tern", "b/tern-7b", "c/tern-7b-chat", "d/my-tern-7b-chat-GGUF", "e/rn-7b"))
    ]
    rows[1]["tags"] = ["base_model:a/tern"]
    load_rows(local_store, tmp_path, rows)
    typed_graph = read_graph(local_store)
    around = Neighbourhood(
        typed_graph, TASKS["base_model"], TokenTable(typed_graph, lineage=False), ~typed_graph.placeholder
    )
    query = CompletionQuery(np.array([2, 3]), np.full(2, 1e6), np.ones(2, bool))
    found = name_contains(around, query)
    assert [(place, typed_graph.ids[value]) for place, value in zip(found.query_index, found.values, strict=True)] == [
        (0, "b/tern-7b"), (0, "a/tern"), (1, "c/tern-7b-chat"), (1, "b/tern-7b"), (1, "a/tern"),
    ]  # fmt: skip
    assert stem("my-tern-7b-chat-gguf") == "my-tern-7b-chat" and not len(strip_suffix(around, query).query_index)
