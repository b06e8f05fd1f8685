"""Tests of `gnn/candidates/parent_candidates.py`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.store.bolt import Store
from gnn.candidates.inverted_index import Vocabulary, tokenize_names
from gnn.candidates.parent_candidates import ParentIndex
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS
from gnn.features.candidate_table import CandidateTableBuilder
from gnn.models.training import fit_attribute_model
from tests.support.graphs import load_rows, model
from tests.support.hubs import made_up


@pytest.mark.train
def test_parents_are_proposed_for_their_owner_and_for_likes_while_nobody_names_them(
    local_store: Store, tmp_path: Path
) -> None:
    famous = [
        model(f"org{n}/bert-base-finetuned", likes=50 + n, createdAt="2023-01-01T00:00:00.000Z") for n in range(99)
    ]
    plain = model("usami/bert-base-finetuned", likes=0, createdAt="2023-01-02T00:00:00.000Z")
    liked = model("lab/Rhea", likes=900, createdAt="2024-03-01T00:00:00.000Z")
    faded = model("lab/Hera", likes=950, createdAt="2023-06-01T00:00:00.000Z")
    queried = model("zoo/usami_bert-base-finetuned-lora", createdAt="2024-04-20T00:00:00.000Z")
    later = model("lab/Later", likes=999, createdAt="2024-04-20T00:00:00.000Z")
    load_rows(local_store, tmp_path, [*made_up(120), *famous, plain, liked, faded, queried, later])
    graph = read_graph(local_store)
    around = Neighbourhood(graph, TASKS["base_model"], TokenTable(graph, lineage=False), ~graph.placeholder)
    index = ParentIndex(graph, graph.ids, around.events, tokenize_names(graph.ids, Vocabulary()))
    row = graph.ids.index(queried["id"])
    _, found = index.propose(np.array([row]), graph.created[[row]])
    proposed = {graph.ids[parent] for parent in found}
    assert {plain["id"], liked["id"]} <= proposed and not {faded["id"], later["id"], queried["id"]} & proposed
    parents = np.array([graph.ids.index(name) for name in (plain["id"], "org98/bert-base-finetuned")])
    pairs = index.pair_features(np.full(2, row), parents, graph.created[[row, row]])
    listed = [dict(zip(index.features, pair.tolist(), strict=True)) for pair in pairs]
    assert (
        listed[0]["share of the candidate's term weight"]
        == listed[1]["share of the candidate's term weight"]
        == pytest.approx(1)
    )
    assert listed[0]["owner and name: share of the candidate's term weight"] == pytest.approx(1)
    assert listed[1]["owner and name: share of the candidate's term weight"] < 0.9


@pytest.mark.train
def test_parents_inferred_from_weights_are_proposed(graph: Graph) -> None:
    cutoff = float(np.quantile(graph.created, 0.8))
    names = [identifier.partition("/")[0] for identifier in graph.ids]
    children = np.flatnonzero((graph.created >= cutoff) & (graph.parents.counts > 0))
    rows = graph.parents.rows
    # As if the weights had named someone whom neither name nor history would.
    unrelated = next(row for row in range(len(graph)) if names[row] == "user1" and graph.created[row] < cutoff)
    parents = graph.parents.values.copy()
    parents[rows == children[0]] = unrelated
    other = replace(graph, parents=graph.parents._replace(values=parents), inferred=rows == children[0])
    query = CompletionQuery(children[:2], np.full(2, cutoff), np.zeros(2, bool))
    found = []
    for each in (graph, other):
        around = Neighbourhood(each, TASKS["base_model"], TokenTable(each, lineage=False), each.created < cutoff)
        table = fit_attribute_model(around).candidate_table(around, query)
        column = around.derived(CandidateTableBuilder).feature_names.index("inferred from weights")
        found.append({(int(place), int(value)): float(observed) for place, value, observed in
                      zip(table.query_index, table.values, table.features[:, column], strict=True)})  # fmt: skip
    assert not any(found[0].values())
    assert {pair for pair, observed in found[1].items() if observed} == {(0, unrelated)}
