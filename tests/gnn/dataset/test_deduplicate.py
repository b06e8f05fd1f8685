"""Tests of `gnn/dataset/deduplicate.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.graph import days_since_epoch
from atlas_db.columnar.read import read_graph
from atlas_db.core.errors import CompletionError
from atlas_db.store.bolt import Store
from gnn.dataset.deduplicate import deduplicate_cards
from gnn.dataset.tasks import TASKS
from gnn.evaluation.evaluate import split
from tests.support.graphs import load_rows, model


@pytest.mark.train
def test_copied_cards_are_tested_once(local_store: Store, tmp_path: Path) -> None:
    def of(name: str, month: int, license_id: str = "mit", **fields: Any) -> dict[str, Any]:
        return model(name, tags=[f"license:{license_id}"], createdAt=f"2024-0{month}-01T00:00:00.000Z", **fields)

    rows = [
        of("a/tern-7b", 1), of("b/tern-7b-GGUF", 2), of("c/tern-7b-4bit", 3), of("d/tern-7b-AWQ", 3, "llama2"),
        of("e/tern-7b", 4), of("f/heron-GPTQ", 4), of("g/heron-GGUF", 5),
    ]  # fmt: skip
    load_rows(local_store, tmp_path, rows)
    graph = read_graph(local_store)
    first = [graph.ids[row] for row in deduplicate_cards(graph)]
    assert dict(zip(graph.ids, first, strict=True)) == {
        **{name: name for name in ("a/tern-7b", "d/tern-7b-AWQ", "e/tern-7b", "f/heron-GPTQ")},
        "b/tern-7b-GGUF": "a/tern-7b", "c/tern-7b-4bit": "a/tern-7b", "g/heron-GGUF": "f/heron-GPTQ",
    }  # fmt: skip
    _, tested = split(
        graph,
        TASKS["license"],
        "temporal",
        days_since_epoch("2024-02-15T00:00:00Z"),
        days_since_epoch("2024-06-01T00:00:00Z"),
    )
    assert {graph.ids[row] for row in tested} == {"d/tern-7b-AWQ", "e/tern-7b", "f/heron-GPTQ"}
    seen = set()
    for seed in range(40):
        try:
            visible, tested = split(graph, TASKS["license"], "random", 0, 0, seed=seed)
        except CompletionError:
            continue
        hidden = {graph.ids[row] for row in np.flatnonzero(~visible)}
        seen |= (chosen := {graph.ids[row] for row in tested})
        assert ("a/tern-7b" in chosen) == ("b/tern-7b-GGUF" in hidden) == ("c/tern-7b-4bit" in hidden)
        assert ("f/heron-GPTQ" in chosen) == ("g/heron-GGUF" in hidden)
    assert seen == {"a/tern-7b", "d/tern-7b-AWQ", "e/tern-7b", "f/heron-GPTQ"}
