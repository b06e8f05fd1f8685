"""Tests of `atlas_db/cli/complete.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import run, run_json
from tests.support.graphs import write_rows
from tests.support.hubs import made_up


@pytest.fixture(scope="module")
def loaded(empty_home: Path) -> Path:
    run(empty_home, "load", "--no-statistics", write_rows(empty_home / "hub.jsonl", made_up()))
    return empty_home


@pytest.mark.train
def test_complete_explain_and_take_back(loaded: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    first = run_json(
        loaded, "complete", "--attributes", "license", "--min-confidence", "0", "--out", str(out), "--dry-run"
    )
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert (first["run_id"], first["written"], first["trained"]) == ("", 0, ["license"])
    assert len(lines) == first["missing"]["license"] == first["predicted"]["license"]
    ids = tmp_path / "ids.txt"
    ids.write_text("".join(f"{line['model_id']}\n" for line in lines[:5]) + "\n# a comment\n")
    again = run_json(loaded, "complete", "--attributes", "license", "--models", str(ids), "--min-confidence", "0")
    assert again["trained"] == [] and again["written"] == 5
    found = run_json(loaded, "query", "-", stdin="MATCH (m)-[r:HAS_LICENSE {source: 'predicted'}]->(l) "
                "RETURN m.id AS id, l.id AS value, r.confidence AS sure, r.evidence AS evidence")  # fmt: skip
    assert {(row["id"], row["value"]) for row in found} == {(line["model_id"], line["value"]) for line in lines[:5]}
    assert all(json.loads(row["evidence"]) and 0 < row["sure"] <= 1 for row in found)
    why = run_json(loaded, "explain", lines[0]["model_id"], "license")
    assert why["candidates"][0]["value"] == lines[0]["value"]
    assert why["candidates"][0]["confidence"] == pytest.approx(lines[0]["confidence"], abs=1e-3)
    assert why["declared"] == [] and why["reasons"] and why["neighbours"] and isinstance(why["inherited"], list)
    assert "log_odds" in run(loaded, "explain", lines[0]["model_id"], "license").stdout
    (row,) = [row for row in run_json(loaded, "complete", "--score") if row["attribute"] == "license"]
    assert (row["predicted"], row["declared"]) == (5, 0)
    run(loaded, "runs", "rollback", again["run_id"])
    assert run_json(loaded, "complete", "--score")[0]["predicted"] == 0


def test_every_tuned_constant_is_listed_with_its_unit_and_origin(tmp_path: Path) -> None:
    rows = {row["name"]: row for row in run_json(tmp_path, "complete", "--show-parameters")}
    assert {name.partition(".")[0] for name in rows} == {"date", "token", "candidate", "model", "fusion"}
    assert all(row["unit"] and row["set_by"] for row in rows.values())
    assert rows["model.ranker.pointwise_trees"]["value"] == "100"


@pytest.mark.train
def test_evaluate(loaded: Path, tmp_path: Path) -> None:
    args = ("--attributes", "license", "--cutoff", "2024-01-15", "--plots", str(tmp_path))
    field, bare = run_json(loaded, "evaluate", *args)
    assert (field["view"], bare["view"], field["split"]) == ("with_metadata", "cold_start", "temporal")
    methods = [row["method"] for row in field["rows"]]
    assert methods[0] == "majority" and methods[-1] == "atlas-db" and len(methods) == 11
    assert "trees" not in methods and not field["gain"]
    with_network, _ = run_json(loaded, "evaluate", "--network", "--no-baselines", *args)
    assert [row["method"] for row in with_network["rows"]] == ["network alone", "trees", "atlas-db"]
    assert with_network["gain"].keys() == {"accuracy", "accuracy on the most confident 80 %"}
    picture = (tmp_path / "reliability-license-temporal.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000


@pytest.mark.train
def test_errors_end_with_what_to_do_next(loaded: Path, tmp_path: Path) -> None:
    for args, code, words in (
        (("complete", "--attributes", "licence"), 2, "Attributes: license"),
        (("explain", "no/body", "license"), 3, "Load them first"),
        (("evaluate", "--splits", "spatial"), 2, "Splits: temporal"),
        (("evaluate", "--attributes", "license", "--cutoff", "2030-01-01"), 3, "another --cutoff"),
        (("complete", "--models", str(tmp_path / "none.txt")), 3, "none.txt"),
    ):
        assert words in run(loaded, *args, code=code).stderr, args
