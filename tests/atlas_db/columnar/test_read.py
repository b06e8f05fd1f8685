"""Tests of `atlas_db/columnar/read.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.core.arrays import csr_lists
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows
from tests.support.hubs import LICENSES, made_up


def flat(graph: Graph) -> list[Any]:
    columns = [
        (name, column.categories, *(part.tolist() for part in column.codes))
        for name, column in sorted(graph.columns.items())
    ]
    arrays = (
        graph.placeholder,
        graph.created,
        graph.downloads,
        graph.likes,
        graph.author,
        *graph.parents,
        graph.relations,
        graph.confidence,
    )
    return [graph.ids, graph.authors, columns, *(array.tolist() for array in arrays)]


SEEN: dict[str, list[Any]] = {}


@pytest.mark.train
def test_engines_give_the_same_tensors(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    load_rows(store, tmp_path, made_up(120))
    graph = read_graph(store)
    SEEN[request.node.name] = flat(graph)
    assert graph.ids == sorted(graph.ids) and len(graph) == 128
    assert len({json.dumps(value) for value in SEEN.values()}) == 1
    held = graph.columns["license"]
    assert {held.categories[value] for value in held.codes.values} == set(LICENSES)
    assert graph.declared.all() and (np.diff(graph.parents.indptr) <= 1).all()


def test_lists_of_models_that_do_not_exist_are_refused() -> None:
    from atlas_db.core.errors import CompletionError

    with pytest.raises(CompletionError):
        csr_lists(2, np.array([0, 2]), np.array([1, 1]))
    assert csr_lists(3, np.array([0, 0, 2]), np.array([5, 6, 7])).first.tolist() == [5, -1, 7]
