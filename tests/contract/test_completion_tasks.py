"""Completion beyond licences: architectures, relations to parents, and what lists are compared with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.columnar.repository_names import stem
from atlas_db.core.arrays import csr_lists
from atlas_db.store.bolt import Store
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import HAS_PARENT, RELATION, TASKS, rows_missing
from gnn.evaluation.evaluate import evaluate
from gnn.evaluation.ranking_baselines import last_by_author, list_baselines, name_contains, strip_suffix, token_overlap
from gnn.evaluation.single_value_baselines import BASELINES
from gnn.inference.complete import CompletionSession
from gnn.inference.write_predictions import CompleteOptions, complete_and_write, track_record
from gnn.models.training import fit_attribute_model
from ingest.load.runs import rollback
from tests.support.graphs import load_rows, pairs, whole
from tests.support.hubs import made_up

pytestmark = [pytest.mark.timeout(600), pytest.mark.train]
ARCHITECTURES = ("llama", "bert", "t5", "gpt_neox")


def typed() -> list[dict[str, Any]]:
    """The made-up hub; some say what their parent is to them, and show their config.json."""
    rows = made_up()
    for place, row in enumerate(rows):
        kind = int(row["id"].split("base")[1][0])
        if place % 5 < 3:
            row["config"] = {"model_type": ARCHITECTURES[kind % 4]}
        for at, tag in enumerate(row["tags"]):
            if tag.startswith("base_model:") and place % 3:
                relation = "adapter" if kind % 2 else "finetune"
                row["tags"][at] = tag.replace("base_model:", f"base_model:{relation}:")
    return rows


@pytest.fixture
def graph(local_store: Store, tmp_path: Path) -> Graph:
    load_rows(local_store, tmp_path, typed())
    return read_graph(local_store)


def test_architectures_and_relations_are_completed(store: Store, tmp_path: Path) -> None:
    rows = typed()
    load_rows(store, tmp_path, rows)
    before, edges = whole(store), pairs(store, "DERIVED_FROM", "relation")
    options = CompleteOptions(("model_type", RELATION), out=tmp_path / "p.jsonl", min_confidence=0.6)
    report = complete_and_write(store, tmp_path, options)
    kind = {row["id"]: int(row["id"].split("base")[1][0]) for row in rows}
    stated = {row["id"]: any(tag.startswith("base_model:") for tag in row["tags"]) for row in rows}
    plain = {row["id"] for row in rows if any(tag.startswith("base_model:org") for tag in row["tags"])}
    assert report.missing == {"model_type": sum("config" not in row for row in rows), RELATION: len(plain)}
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    for rel, attribute, truth in (
        ("HAS_ARCHITECTURE", "model_type", lambda a: ARCHITECTURES[kind[a] % 4]),
        ("HAS_RELATION", RELATION, lambda a: "adapter" if kind[a] % 2 else "finetune"),
    ):
        claims = pairs(store, rel, "source")
        declared = {a for a, _, source in claims if source == "declared"}
        predicted = {(a, b) for a, b, source in claims if source == "predicted"}
        assert predicted == {(line["model_id"], line["value"]) for line in lines if line["attribute"] == attribute}
        assert len(predicted) > 0.6 * report.missing[attribute] and not declared & {a for a, _ in predicted}
        assert np.mean([truth(a) == b for a, b in predicted]) > 0.9
    assert {a for a, _, source in pairs(store, "HAS_RELATION", "source") if source == "declared"} == {
        name for name, parent in stated.items() if parent and name not in plain
    }
    # What is predicted of an edge is no witness of it.
    assert pairs(store, "DERIVED_FROM", "relation") == edges
    (score,) = [row for row in track_record(store) if row["attribute"] == RELATION]
    assert score["predicted"] == report.predicted[RELATION] and not score["declared"]
    rollback(store, report.run_id, tmp_path, 500)
    assert whole(store) == before


def test_a_relation_cannot_be_read_where_it_is_the_target(graph: Graph) -> None:
    """Tested models state other relations in one of two graphs, and their edges follow: no feature changes."""
    cutoff = float(np.quantile(graph.created, 0.8))
    held = graph.columns[RELATION].codes
    later = graph.created[held.rows] >= cutoff
    assert later.sum() > 50
    other = replace(
        graph,
        columns={**graph.columns, RELATION: graph.columns[RELATION]._replace(
            held=held._replace(values=np.where(later, 1 - held.values, held.values)))},
        relations=np.where(graph.created[graph.parents.rows] >= cutoff, 4, graph.relations),
        sure=np.where(graph.created[graph.parents.rows] >= cutoff, 0.5, graph.confidence).astype(np.float32),
    )  # fmt: skip
    rows = np.flatnonzero((graph.created >= cutoff) & (graph.parents.counts > 0))
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    completer, seen = None, []
    for each in (graph, other):
        around = Neighbourhood(each, TASKS[RELATION], TokenTable(each, relation=False), each.created < cutoff)
        completer = completer or fit_attribute_model(around)
        seen.append(completer.candidate_table(around, query))
    assert np.array_equal(seen[0].features, seen[1].features, equal_nan=True)


def test_only_models_with_a_declared_parent_lack_a_relation(graph: Graph) -> None:
    lack = set(rows_missing(graph, RELATION).tolist())
    declared = set(graph.parents.rows[graph.declared].tolist())
    assert lack == declared - set(graph.columns[RELATION].codes.rows.tolist()) and lack


def test_what_lists_are_compared_with(graph: Graph) -> None:
    cutoff = float(np.quantile(graph.created, 0.8))
    around = Neighbourhood(graph, TASKS["base_model"], TokenTable(graph, lineage=False), graph.created < cutoff)
    rows = np.flatnonzero((graph.created >= cutoff) & (graph.parents.counts > 0))
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    seen = {row: value for row, value in zip(around.events.rows.tolist(), around.events.values.tolist(), strict=True)}
    said = last_by_author(around, query)
    for place in range(0, len(rows), 25):
        author = graph.author[rows[place]]
        theirs = [row for row in seen if graph.author[row] == author]
        newest = sorted(theirs, key=lambda row: -graph.created[row])[:10]
        assert said.values[said.query_index == place].tolist() == [seen[row] for row in newest]
    ranked = list_baselines(around, query)
    assert {"recent popularity", "contained name", "token overlap"} < set(ranked)
    assert "siblings" not in ranked  # lineage may not be looked at
    for each in ranked.values():
        assert (np.diff(each.query_index * around.events.num_values + each.values) > 0).all()
        assert (graph.created[each.values] <= graph.created[rows[each.query_index]]).all()
    words = token_overlap(around, query)
    assert np.bincount(words.query_index).max() <= 10 and (words.scores <= 1).all()


def test_names_within_names(local_store: Store, tmp_path: Path) -> None:
    rows = [
        {"id": name, "modelId": name, "tags": [], "createdAt": f"2024-01-0{at + 1}T00:00:00.000Z"}
        for at, name in enumerate(("a/tern", "b/tern-7b", "c/tern-7b-chat", "d/my-tern-7b-chat-GGUF", "e/rn-7b"))
    ]
    rows[1]["tags"] = ["base_model:a/tern"]
    load_rows(local_store, tmp_path, rows)
    graph = read_graph(local_store)
    around = Neighbourhood(graph, TASKS["base_model"], TokenTable(graph, lineage=False), ~graph.placeholder)
    query = CompletionQuery(np.array([2, 3]), np.full(2, 1e6), np.ones(2, bool))
    found = name_contains(around, query)
    assert [(place, graph.ids[value]) for place, value in zip(found.query_index, found.values, strict=True)] == [
        (0, "b/tern-7b"), (0, "a/tern"), (1, "c/tern-7b-chat"), (1, "b/tern-7b"), (1, "a/tern"),
    ]  # fmt: skip
    assert stem("my-tern-7b-chat-gguf") == "my-tern-7b-chat" and not len(strip_suffix(around, query).query_index)


def test_an_evaluation_of_lists_knows_its_baselines(graph: Graph) -> None:
    field, bare = evaluate(graph, TASKS["datasets"], cutoff="2024-01-15T00:00:00Z", until="2024-06-01T00:00:00Z")
    table = {row["method"]: row for row in field.rows}
    assert (
        table["recent popularity"]["hits@1"] < table["siblings"]["hits@1"] <= table["ships"]["hits@1"]
        and table["ships"]["recall@5"] == 1
    )
    assert all(0 <= row[name] <= 1 for row in table.values() for name in ("micro-F1", "MRR", "ECE", "candidates"))
    assert field.gain["hits@1"][1] <= field.gain["hits@1"][0] <= field.gain["hits@1"][2]
    assert sum(count for _, _, count in bare.reliability) == bare.models


def test_no_baseline_reads_lineage_where_it_is_the_target(graph: Graph) -> None:
    """Tested models declare no parents in one of two graphs: every baseline answers the same."""
    cutoff = float(np.quantile(graph.created, 0.8))
    kept = graph.created[graph.parents.rows] < cutoff
    parents = csr_lists(len(graph), graph.parents.rows[kept], graph.parents.values[kept])
    edges = {name: getattr(graph, name)[kept] for name in ("relations", "confidence", "declared", "inferred")}
    other = replace(graph, parents=parents, **edges)
    rows = np.flatnonzero(graph.created >= cutoff)
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    seen = [
        {name: method(around, query) for name, method in BASELINES.items()}
        for around in (
            Neighbourhood(each, HAS_PARENT, TokenTable(each, lineage=False), each.created < cutoff)
            for each in (graph, other)
        )
    ]
    for name in BASELINES:
        assert np.array_equal(seen[0][name][0], seen[1][name][0]), name
        assert np.allclose(seen[0][name][1], seen[1][name][1]), name


def test_who_is_asked_about_a_parent_is_no_witness_that_there_is_none(graph: Graph, tmp_path: Path) -> None:
    """A few models that are asked about are not counted among those without a parent; where it is all, they are."""
    atelier = CompletionSession(graph, tmp_path)
    lacks = rows_missing(graph, "base_model")
    few = lacks[::5]
    seen = atelier.neighbourhood(HAS_PARENT, few).events.rows
    assert not np.isin(few, seen).any()
    assert np.isin(np.setdiff1d(lacks, few), seen).all()
    assert np.isin(lacks, atelier.neighbourhood(HAS_PARENT, lacks).events.rows).all()
