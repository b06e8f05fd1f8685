"""Tests of `gnn/evaluation/evaluate.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.store.bolt import Store
from gnn.dataset.tasks import TASKS
from gnn.evaluation.evaluate import evaluate, macro_f1
from gnn.inference.write_predictions import CompleteOptions, complete_and_write
from tests.support.graphs import load_rows
from tests.support.hubs import made_up

CUTOFF, UNTIL = "2024-01-15T00:00:00Z", "2024-06-01T00:00:00Z"


@pytest.mark.train
def test_evaluation_compares_with_each_baseline(graph: Graph) -> None:
    field, bare = evaluate(graph, TASKS["license"], "temporal", CUTOFF, UNTIL, network=True)
    table = {row["method"]: row for row in field.rows}
    assert table["majority"]["accuracy"] < 0.5 < table["parent copy"]["accuracy"] < table["atlas-db"]["accuracy"]
    assert table["parent copy"]["with parent"] > 0.85 and table["atlas-db"]["accuracy"] > 0.85
    assert all(0 <= row["ECE"] <= 1 and row["macro-F1"] <= 1 for row in table.values())
    assert field.gain["accuracy"][1] <= field.gain["accuracy"][0] <= field.gain["accuracy"][2]
    assert bare.models == field.models == sum(count for _, _, count in bare.reliability)
    for kind in ("random", "authors", "families", "missing"):
        scores = evaluate(graph, TASKS["pipeline_tag"], kind, baselines=False)
        assert scores[0].rows[-1]["method"] == "atlas-db" and scores[0].rows[-1]["accuracy"] > 0.7, kind


@pytest.mark.train
@pytest.mark.parametrize("dates", ["nobody kept them", "three weeks"])
def test_stores_whose_dates_hold_little(dates: str, local_store: Store, tmp_path: Path) -> None:
    """Children declare what their parent does, in 95 of 100: where dates hold nothing, that is still seen."""
    rows = made_up(600)
    for place, row in enumerate(rows):
        day = f"2024-05-{1 + 21 * place // len(rows):02d}T08:00:00.000Z"
        row["createdAt"] = "2022-03-02T23:29:04.000Z" if dates == "nobody kept them" else day
    load_rows(local_store, tmp_path, rows)
    field, bare = evaluate(read_graph(local_store), TASKS["license"], "random")
    for view in (field, bare):
        right = {row["method"]: row["accuracy"] for row in view.rows}
        assert right["atlas-db"] > 0.8 > 0.6 > right["majority"], (view.view, right)
    report = complete_and_write(local_store, tmp_path, CompleteOptions(("license",), precision=0.8, dry_run=True))
    assert report.predicted["license"] > 50


@pytest.mark.train
def test_an_evaluation_of_lists_compares_with_each_baseline(typed_graph: Graph) -> None:
    field, bare = evaluate(typed_graph, TASKS["datasets"], "temporal", CUTOFF, UNTIL, network=True)
    table = {row["method"]: row for row in field.rows}
    assert (
        table["recent popularity"]["hits@1"] < table["siblings"]["hits@1"] <= table["atlas-db"]["hits@1"]
        and table["atlas-db"]["recall@5"] == 1
    )
    assert all(0 <= row[name] <= 1 for row in table.values() for name in ("micro-F1", "MRR", "ECE", "candidates"))
    assert field.gain["hits@1"][1] <= field.gain["hits@1"][0] <= field.gain["hits@1"][2]
    assert sum(count for _, _, count in bare.reliability) == bare.models


def test_macro_f1_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(2)
    truth, observed = rng.integers(0, 5, 300), rng.integers(0, 7, 300)
    expected = f1_score(truth, observed, average="macro", labels=np.unique(truth))
    assert macro_f1(truth, observed) == pytest.approx(expected)
