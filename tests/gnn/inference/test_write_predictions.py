"""Tests of `gnn/inference/write_predictions.py`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atlas_db.claims.runs import list_runs, rollback
from atlas_db.store.bolt import Store
from gnn.dataset.tasks import RELATION
from gnn.inference.write_predictions import CompleteOptions, complete_and_write, track_record
from gnn.parameters.completion_parameters import completion_parameters
from tests.support.graphs import load_rows, model, pairs, whole
from tests.support.hubs import ARCHITECTURES, LICENSES, made_up, typed

TUNED = completion_parameters()


@pytest.mark.train
def test_completion_writes_replaces_and_is_taken_back(store: Store, tmp_path: Path) -> None:
    rows = made_up()
    load_rows(store, tmp_path, rows)
    before = whole(store)
    options = CompleteOptions(("license", "pipeline_tag"), out=tmp_path / "p.jsonl", precision=0.9)
    dry = complete_and_write(store, tmp_path, replace(options, dry_run=True))
    assert whole(store) == before and not dry.run_id
    report = complete_and_write(store, tmp_path, options)
    assert dry.trained == ["license", "pipeline_tag"] and report.trained == []
    assert report.predicted == dry.predicted and report.predicted["license"] > 0.6 * report.missing["license"]
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert len(lines) == report.written == sum(report.predicted.values())
    assert all(set(line) == {"model_id", "attribute", "value", "confidence"} for line in lines)
    claims = pairs(store, "HAS_LICENSE", "source")
    declared = {(a, b) for a, b, source in claims if source == "declared"}
    predicted = {(a, b) for a, b, source in claims if source == "predicted"}
    assert predicted == {(line["model_id"], line["value"]) for line in lines if line["attribute"] == "license"}
    assert not {a for a, _ in predicted} & {a for a, _ in declared}
    kind = {row["id"]: int(row["id"].split("base")[1][0]) for row in rows}
    right = [LICENSES[kind[a] % 4] == b for a, b in predicted]
    assert sum(right) / len(right) > 0.9
    (run, _) = list_runs(store)
    assert run["parameters"]["parameters"] == json.loads(json.dumps({each.name: each.value for each in TUNED}))
    again = complete_and_write(store, tmp_path, options)
    assert pairs(store, "HAS_LICENSE", "source") == claims and again.run_id != report.run_id
    rollback(store, again.run_id, tmp_path, 500)
    assert whole(store) == before
    assert [run["kind"] for run in list_runs(store)] == ["completion", "load"]


@pytest.mark.train
def test_a_later_declaration_confirms_or_refutes(store: Store, tmp_path: Path) -> None:
    rows = made_up()
    load_rows(store, tmp_path, rows)
    report = complete_and_write(store, tmp_path, CompleteOptions(("license",), precision=0.8))
    predicted = {a: b for a, b, source in pairs(store, "HAS_LICENSE", "source") if source == "predicted"}
    names = sorted(predicted)[:10]
    listed = [
        model(name, tags=[f"license:{predicted[name] if place else 'gpl-3.0'}"]) for place, name in enumerate(names)
    ]  # fmt: skip
    load_rows(store, tmp_path, listed, as_of="2024-08-01")
    (row,) = [row for row in track_record(store) if row["attribute"] == "license"]
    assert (row["predicted"], row["declared"], row["confirmed"], row["refuted"]) == (report.written, 10, 9, 1)
    assert row["precision"] == 0.9 and 0.5 < row["confidence"] <= 1
    assert {(names[0], "gpl-3.0", "declared"), (names[0], predicted[names[0]], "predicted")} <= pairs(
        store, "HAS_LICENSE", "source"
    )


@pytest.mark.train
def test_parents_are_proposed_and_fused(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, made_up())
    options = CompleteOptions(("base_model",), out=tmp_path / "p.jsonl", min_confidence=0.2)
    report = complete_and_write(store, tmp_path, options)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert lines and all(0 <= line["no_declaration_probability"] <= 1 for line in lines)
    assert all(
        1 - line["no_declaration_probability"] <= line["derived_probability"] + 1e-5 <= 1 + 1e-5 for line in lines
    )
    best: dict[str, str] = {}
    for line in lines:
        best.setdefault(line["model_id"], line["value"])
    right = [f"/{name.split('/')[1].split('-')[0]}-" in value for name, value in best.items()]
    assert sum(right) / len(right) > 0.9
    edges = {(a, b) for a, b, status in pairs(store, "DERIVED_FROM", "status") if status == "predicted"}
    assert len(edges) == report.written > 0
    assert edges == {(a, b) for a, b, source in pairs(store, "CLAIMS_PARENT", "source") if source == "predicted"}
    rollback(store, report.run_id, tmp_path, 500)
    assert "predicted" not in {status for _, _, status in pairs(store, "DERIVED_FROM", "status")}


@pytest.mark.train
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
