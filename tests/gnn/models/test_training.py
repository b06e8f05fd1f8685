"""Tests of `gnn/models/training.py`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import csr_lists
from atlas_db.core.errors import CompletionError, UsageError
from atlas_db.store.bolt import Store
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import HAS_PARENT, RELATION, TASKS, Task
from gnn.inference.write_predictions import CompleteOptions, complete_and_write
from gnn.models.training import fit_attribute_model
from tests.support.graphs import load_rows, model, whole


@pytest.mark.train
@pytest.mark.parametrize("network", [True, False])
def test_the_target_cannot_be_read(graph: Graph, network: bool) -> None:
    """What the tested models declare is put in another order: no feature and no prediction changes."""
    rng = np.random.default_rng(1)
    cutoff = float(np.quantile(graph.created, 0.8))
    held = graph.columns["license"].codes
    hidden = graph.created[held.rows] >= cutoff
    mixed = held.values.copy()
    mixed[hidden] = rng.permutation(mixed[hidden])
    assert (mixed != held.values).sum() > 30
    other = replace(
        graph,
        columns={**graph.columns, "license": graph.columns["license"]._replace(codes=held._replace(values=mixed))},
    )
    seen = []
    for each in (graph, other):
        around = Neighbourhood(each, TASKS["license"], TokenTable(each), each.created < cutoff)
        completer = fit_attribute_model(around, network=network)
        rows = np.flatnonzero(each.created >= cutoff)
        query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
        seen.append((completer.candidate_table(around, query), completer.predict_proba(around, query)))
    assert np.array_equal(seen[0][0].features[:, :-3], seen[1][0].features[:, :-3], equal_nan=True)
    assert np.allclose(seen[0][1].probability, seen[1][1].probability, atol=1e-3)


@pytest.mark.train
@pytest.mark.parametrize("task", [TASKS["base_model"], HAS_PARENT])
def test_lineage_cannot_be_read_where_it_is_the_target(graph: Graph, task: Task) -> None:
    """Tested models declare no parents in one of two graphs: no feature changes."""
    cutoff = float(np.quantile(graph.created, 0.8))
    kept = graph.created[graph.parents.rows] < cutoff
    assert (~kept).sum() > 30
    parents = csr_lists(len(graph), graph.parents.rows[kept], graph.parents.values[kept])
    edges = {name: getattr(graph, name)[kept] for name in ("relations", "confidence", "declared", "inferred")}
    other = replace(graph, parents=parents, **edges)
    rows = np.flatnonzero(graph.created >= cutoff)
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    completer = None
    seen = []
    for each in (graph, other):
        around = Neighbourhood(each, task, TokenTable(each, lineage=False), each.created < cutoff)
        completer = completer or fit_attribute_model(around)
        seen.append(completer.candidate_table(around, query))
    assert np.array_equal(seen[0].values, seen[1].values)
    assert np.array_equal(seen[0].features, seen[1].features, equal_nan=True)


@pytest.mark.train
def test_one_model_in_the_newest_part_is_too_little_to_learn_from(local_store: Store, tmp_path: Path) -> None:
    early = [
        model(f"a/tern{n}", tags=["dataset:squad", "dataset:imdb"], createdAt="2023-01-01T00:00:00.000Z")
        for n in range(3)
    ]
    late = model("b/heron", tags=[f"dataset:d{n}" for n in range(60)], createdAt="2024-05-01T00:00:00.000Z")
    load_rows(local_store, tmp_path, [*early, late, model("c/auk")])
    with pytest.raises(CompletionError, match="datasets cannot be learned: 1 models declare it in the newest part"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("datasets",), dry_run=True, strict=True))


@pytest.mark.train
def test_too_little_to_learn_from(local_store: Store, tmp_path: Path) -> None:
    with pytest.raises(CompletionError, match="is empty"):
        complete_and_write(local_store, tmp_path, CompleteOptions())
    one = [model(f"a/m{place}", tags=["license:mit"] if place % 2 else []) for place in range(120)]
    load_rows(local_store, tmp_path, one)
    before = whole(local_store)
    with pytest.raises(CompletionError, match="license cannot be learned: 60 declarations, 1 values"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("license",), strict=True))
    with pytest.raises(CompletionError, match="no attribute can be completed"):
        complete_and_write(local_store, tmp_path, CompleteOptions())
    with pytest.raises(UsageError, match="no attribute 'licence' to complete. Did you mean license"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("licence",)))
    with pytest.raises(CompletionError, match="not in the store"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("license",), models=("no/one",)))
    assert whole(local_store) == before


@pytest.mark.train
def test_nobody_to_complete(graph: Graph) -> None:
    around = Neighbourhood(graph, TASKS["license"], TokenTable(graph), np.ones(len(graph), bool))
    nobody = np.zeros(0, np.int64)
    found = fit_attribute_model(around).predict_proba(around, CompletionQuery(nobody, np.zeros(0), np.zeros(0, bool)))
    assert [len(column) for column in found] == [0, 0, 0, 0]
    assert found.top_values(0)[0].tolist() == []


@pytest.mark.train
def test_a_relation_cannot_be_read_where_it_is_the_target(typed_graph: Graph) -> None:
    """Tested models state other relations in one of two graphs, and their edges follow: no feature changes."""
    cutoff = float(np.quantile(typed_graph.created, 0.8))
    held = typed_graph.columns[RELATION].codes
    later = typed_graph.created[held.rows] >= cutoff
    assert later.sum() > 50
    other = replace(
        typed_graph,
        columns={**typed_graph.columns, RELATION: typed_graph.columns[RELATION]._replace(
            codes=held._replace(values=np.where(later, 1 - held.values, held.values)))},
        relations=np.where(typed_graph.created[typed_graph.parents.rows] >= cutoff, 4, typed_graph.relations),
        confidence=np.where(typed_graph.created[typed_graph.parents.rows] >= cutoff, 0.5, typed_graph.confidence).astype(np.float32),
    )  # fmt: skip
    rows = np.flatnonzero((typed_graph.created >= cutoff) & (typed_graph.parents.counts > 0))
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    completer, seen = None, []
    for each in (typed_graph, other):
        around = Neighbourhood(each, TASKS[RELATION], TokenTable(each, relation=False), each.created < cutoff)
        completer = completer or fit_attribute_model(around)
        seen.append(completer.candidate_table(around, query))
    assert np.array_equal(seen[0].features, seen[1].features, equal_nan=True)
