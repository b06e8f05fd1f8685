"""Tests of `gnn/models/attribute_model.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.core.errors import CompletionError
from gnn.dataset.hashed_tokens import TokenTable
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import TASKS, VERSION, rows_missing
from gnn.models.attribute_model import AttributeModel
from gnn.models.training import fit_attribute_model


@pytest.mark.train
@pytest.mark.parametrize("network", [True, False])
def test_a_checkpoint_predicts_the_same(graph: Graph, tmp_path: Path, network: bool) -> None:
    around = Neighbourhood(graph, TASKS["license"], TokenTable(graph), ~graph.placeholder)
    made = fit_attribute_model(around, network=network)
    made.save(tmp_path / "c")
    again = AttributeModel.load(tmp_path / "c")
    assert again is not None and again.calibration == made.calibration and (again.network is not None) == network
    files = {"network.safetensors", "stacked.txt"}
    assert {file.name for file in (tmp_path / "c").iterdir()} & files == (files if network else set())
    rows = rows_missing(graph, "license")
    query = CompletionQuery(rows, np.full(len(rows), graph.created.max() + 1), np.ones(len(rows), bool))
    first, second = made.predict_proba(around, query), again.predict_proba(around, query)
    assert np.array_equal(first.values, second.values) and np.allclose(first.probability, second.probability, atol=1e-5)
    names = ("network.safetensors", "stacked.txt") if network else ("bag_of_words.safetensors", "tabular.txt")
    first_file = (tmp_path / "c" / names[0]).read_bytes()
    for name, content in zip(names, (first_file[:1000], b"tree"), strict=True):
        kept = (tmp_path / "c" / name).read_bytes()
        (tmp_path / "c" / name).write_bytes(content)
        with pytest.raises(CompletionError, match="cannot be read"):
            AttributeModel.load(tmp_path / "c")
        (tmp_path / "c" / name).write_bytes(kept)
    meta = tmp_path / "c" / "meta.json"
    whole = meta.read_text()
    for older in (whole.replace(VERSION, "complete@7"), '{"version": "complete@0"}'):
        assert older != whole
        meta.write_text(older)
        assert AttributeModel.load(tmp_path / "c") is None
    meta.write_text(whole)
    assert AttributeModel.load(tmp_path / "c") is not None
