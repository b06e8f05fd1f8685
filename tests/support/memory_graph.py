"""A graph of sixty models in memory, and the tables that completion makes of it."""

from __future__ import annotations

import numpy as np

from atlas_db.columnar.graph import MULTI_VALUED, SINGLE_VALUED, Graph, ListedDatasets
from atlas_db.columnar.read import category_column
from atlas_db.core.arrays import Floats, Integers, csr_lists
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS
from gnn.features.candidate_table import CandidateTable, CandidateTableBuilder, ClassScores
from gnn.parameters.candidate_parameters import CANDIDATE

AUTHORS = ("tern", "heron", "wren")


MODELS = 60


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


def smoothed(query_index: Integers, _: Integers) -> Floats:
    return np.zeros((len(query_index), len(CANDIDATE.smoothed_groups)), np.float32)


def table_of(neighbourhood: Neighbourhood) -> tuple[CompletionQuery, ClassScores, CandidateTable]:
    query, num_values = latest_query(neighbourhood), neighbourhood.events.num_values
    class_of_value = np.full(num_values, -1, np.int64)
    class_of_value[:2] = (1, 0)
    logits = np.random.default_rng(1).normal(size=(len(query), 2)).astype(np.float32)
    scores = ClassScores(logits, class_of_value)
    builder = neighbourhood.derived(CandidateTableBuilder)
    return query, scores, builder.build(query, scores, scores.top_values(1), scores, smoothed)
