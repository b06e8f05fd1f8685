"""Tests of `gnn/candidates/dataset_candidates.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.read import read_graph
from atlas_db.store.bolt import Store
from gnn.candidates.dataset_candidates import DatasetIndex
from gnn.candidates.inverted_index import Vocabulary, tokenize_names
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.tasks import TASKS
from tests.support.graphs import load_rows, model
from tests.support.hubs import made_up


@pytest.mark.train
def test_datasets_of_the_list_that_nobody_declares_are_proposed(local_store: Store, tmp_path: Path) -> None:
    listed = [
        dataset("someone/tweet_eval", "2023-01-01"), dataset("user1/notes", "2023-02-01"),
        dataset("user1/later", "2025-01-01"), dataset("another/Tweet_eval", "2025-01-01"),
    ]  # fmt: skip
    queried = model("user1/bert-tweet-eval-v2", createdAt="2024-05-01T00:00:00.000Z")
    load_rows(local_store, tmp_path, [*made_up(120), queried, *listed])
    graph = read_graph(local_store, datasets=True)
    assert graph.listed_datasets.names == sorted(row["id"] for row in listed)
    assert not read_graph(local_store).listed_datasets.names
    around = Neighbourhood(graph, TASKS["datasets"], TokenTable(graph), ~graph.placeholder)
    names = np.array(around.column.categories)
    assert set(names) == {*graph.columns["datasets"].categories, *graph.listed_datasets.names}
    index = DatasetIndex(graph, around.column.categories, around.events, tokenize_names(graph.ids, Vocabulary()))
    row = graph.ids.index("user1/bert-tweet-eval-v2")
    places, found = index.propose(np.array([0, row]), graph.created[[0, row]])
    assert {"someone/tweet_eval", "user1/notes"} == set(names[found[places == 1]])
    (first, second) = index.pair_features(
        np.full(2, row),
        np.array([around.column.categories.index(n) for n in graph.listed_datasets.names[1:3]]),
        np.full(2, graph.created[row]),
    )
    pair_features = [dict(zip(index.features, pair.tolist(), strict=True)) for pair in (first, second)]
    assert graph.listed_datasets.names[1:3] == ["someone/tweet_eval", "user1/later"]
    assert (pair_features[0]["same author"], pair_features[1]["same author"]) == (0, 1)
    assert (
        pair_features[0]["share of the candidate's term weight"] == pytest.approx(1)
        and pair_features[0]["not yet declared"] == 1
    )
    assert pair_features[0]["shared terms"] == 3 and 0 < pair_features[0]["share of the model's term weight"] < 1
    assert pair_features[0]["years since the dataset"] == pytest.approx(486 / 365.25, abs=1e-4)
    assert pair_features[0]["datasets of that name"] == pytest.approx(np.log1p(2))


def dataset(name: str, date: str) -> dict[str, Any]:
    return {"id": name, "key": "", "citation": "", "tags": [], "createdAt": f"{date}T00:00:00.000Z"}
