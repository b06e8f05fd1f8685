"""Tests of `gnn/inference/predictions.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.core.errors import CompletionError, InputError
from atlas_db.store.bolt import Store
from gnn.inference.predictions import import_predictions
from tests.support.graphs import load_rows, model, pairs, whole


@pytest.mark.train
def test_predictions_of_a_file_are_written_where_nothing_can_be_learnt(local_store: Store, tmp_path: Path) -> None:
    known = [model("a/known", tags=["license:mit"]), model("b/known", tags=["license:apache-2.0"])]
    load_rows(local_store, tmp_path, [*known, model("a/one"), model("a/two"), model("a/three")])
    file = tmp_path / "kept.jsonl"
    rows = [{"model_id": name, "attribute": "license", "value": value, "confidence": 0.9}
            for name, value in (("a/two", "mit"), ("a/known", "apache-2.0"), ("a/one", "apache-2.0"),
                                ("a/three", "gpl-3.0"))]  # fmt: skip
    parent = {
        "model_id": "a/two",
        "attribute": "base_model",
        "value": "a/one",
        "confidence": 0.8,
        "no_declaration_probability": 0.1,
    }
    child = parent | {"model_id": "a/one", "value": "a/two", "confidence": 0.7}
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, child, parent]))
    report = import_predictions(local_store, tmp_path, file)
    assert (report.missing["license"], report.predicted["license"], report.written) == (3, 2, 3)
    assert pairs(local_store, "HAS_LICENSE", "source") == {
        ("a/known", "mit", "declared"), ("b/known", "apache-2.0", "declared"), ("a/one", "apache-2.0", "predicted"), ("a/two", "mit", "predicted"),
    }  # fmt: skip
    assert pairs(local_store, "DERIVED_FROM", "status") == {("a/two", "a/one", "predicted")}, "the likelier of two"
    before = whole(local_store)
    assert import_predictions(local_store, tmp_path, file).written == 3
    assert whole(local_store) == before
    file.write_text('{"model_id": "a/one", "attribute": "colour", "value": "red", "confidence": 1.0}\n')
    with pytest.raises(InputError, match="no attribute 'colour' to complete"):
        import_predictions(local_store, tmp_path, file)
    file.write_text(json.dumps({**rows[0], "model_id": "no/body"}))
    with pytest.raises(CompletionError, match="not in the store"):
        import_predictions(local_store, tmp_path, file)
