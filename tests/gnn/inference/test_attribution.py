"""Why a value is predicted: candidates in order, contributions of groups with their counts, and neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from gnn.dataset.tasks import TASKS, rows_missing
from gnn.inference.attribution import MAX_SHOWN, explain_prediction
from gnn.inference.complete import CompletionSession, latest_query


@pytest.mark.train
def test_a_prediction_is_explained(graph: Graph, tmp_path: Path) -> None:
    session = CompletionSession(graph, tmp_path)
    task = TASKS["license"]
    row = int(rows_missing(graph, "license")[-1])
    found: dict[str, Any] = explain_prediction(session, task, row)
    assert (found["model_id"], found["attribute"], found["declared"]) == (graph.ids[row], "license", [])
    confidences = [each["confidence"] for each in found["candidates"]]
    assert confidences == sorted(confidences, reverse=True) and sum(confidences) == pytest.approx(1, abs=0.01)
    neighbourhood = session.neighbourhood(task)
    predicted = session.attribute_model(neighbourhood).predict_proba(
        neighbourhood, latest_query(graph, np.array([row]))
    )
    best = neighbourhood.column.categories[int(predicted.values[predicted.probability.argmax()])]
    assert found["candidates"][0]["value"] == best
    assert 0 < len(found["reasons"]) <= MAX_SHOWN and 0 < len(found["neighbours"]) <= 2 * MAX_SHOWN
    sizes = [abs(reason["log_odds"]) for reason in found["reasons"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(0 <= each["positives"] <= each["total"] for each in found["reasons"] if "total" in each)
    licenses = graph.columns["license"]
    for each in found["neighbours"]:
        other = graph.ids.index(each["model_id"])
        assert each["value"] in [licenses.categories[code] for code in licenses.codes.row(other)]
        assert other != row and each["groups"]
    assert "no_declaration_probability" not in found, "of a parent alone"


@pytest.mark.train
def test_of_a_parent_the_probability_that_there_is_one_is_given(graph: Graph, tmp_path: Path) -> None:
    row = int(rows_missing(graph, "base_model")[-1])
    found = explain_prediction(CompletionSession(graph, tmp_path), TASKS["base_model"], row)
    assert 0 <= found["no_declaration_probability"] <= 1
    assert 1 - found["no_declaration_probability"] <= found["derived_probability"] + 1e-4
