"""`audit`, `licenses` and `bom` as people use them: exit codes, formats, documents that validate."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from atlas_db.bom.cyclonedx import read_bom
from atlas_db.catalogue.loader import catalogue
from tests.support.command import run, run_json
from tests.support.graphs import child, model, write_rows
from tests.support.paths import GOLDEN

SCHEMA = GOLDEN / "sarif-2.1.0-errata01.json"
"""The schema of the standard with errata 01 (oasis-tcs/sarif-spec)."""
META = "meta-llama/Llama-3.1-8B"
ROWS = [
    model(META, tags=["license:llama3.1"], pipeline_tag="text-generation", sha="a" * 40),
    model("p/nc", tags=["license:cc-by-nc-4.0"]),
    child("c/laundered", f"finetune:{META}", tags=["license:apache-2.0", "dataset:d/d"]),
    child("c/leaf", "quantized:c/laundered", "merge:p/nc", tags=["license:mit"]),
    child("c/fine-Llama", f"finetune:{META}", tags=["license:llama3.1"]),
    child("c/named", "finetune:p/gone", tags=["license:made-up-1.0"]),
    model("l/lonely", tags=["license:mit"]),
]


@pytest.fixture(scope="module")
def home(empty_home: Path) -> Path:
    run(empty_home, "load", "--no-statistics", write_rows(empty_home / "rows.jsonl", ROWS))
    return empty_home


def test_exit_codes(home: Path) -> None:
    run(home, "audit", "c/leaf")
    run(home, "audit", "c/leaf", "--fail-on", "violation", code=1)
    run(home, "audit", "l/lonely", "--fail-on", "unknown")
    run(home, "audit", "c/fine-Llama", "--fail-on", "violation")
    run(home, "audit", "c/fine-Llama", "--fail-on", "needs_review", code=1)
    done = run(home, "audit", "c/leav", code=3)
    assert "Did you mean" in done.stderr
    run(home, "audit", code=2)
    run(home, "audit", "c/leaf", "--all", code=2)
    assert "Profiles:" in run(home, "audit", "c/leaf", "--profile", "harsh", code=2).stderr


def test_human_output_names_clause_path_remediation_and_disclaimer(home: Path) -> None:
    text = run(home, "audit", "c/leaf").stdout
    assert f"against {META} [llama3.1]" in text
    assert "section 1.b.i" in text
    assert f"c/leaf → c/laundered (quantized, declared) → {META} (finetune, declared)" in text
    assert "Fix:" in text
    assert "no legal advice" in text
    assert text.count("atlas-db query alternatives --param model=c/leaf\n") == 1


def test_the_query_for_alternatives_reads_the_store_that_was_audited(home: Path) -> None:
    text = run(home, "audit", "c/leaf", "--store", "local").stdout
    assert text.count("atlas-db query alternatives --param model=c/leaf --store local\n") == 1


def test_json_has_the_documented_shape(home: Path) -> None:
    found = run_json(home, "audit", "c/leaf", "c/laundered", "not/there")
    assert {"profile", "rules_version", "counts", "findings"} <= set(found)
    assert found["missing"] == ["not/there"]
    keys = {"model", "ancestor", "finding", "verdict", "rule", "clause", "confidence", "path"}
    assert all(keys <= set(row) for row in found["findings"])
    (worst, *_) = [row for row in found["findings"] if row["rule"] == "llama3x-lost" and row["model"] == "c/leaf"]
    assert worst["path"] == [
        {"model": "c/laundered", "relation": "quantized", "status": "declared", "confidence": 1.0},
        {"model": META, "relation": "finetune", "status": "declared", "confidence": 1.0},
    ]
    assert found["counts"]["verdicts"]["violation"] == 2


def test_lists_csv_and_quiet(home: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("# what we ship\nc/leaf\n\nl/lonely\n")
    rows = list(csv.DictReader(io.StringIO(run(home, "audit", "--file", str(ids), "--format", "csv").stdout)))
    assert {row["model"] for row in rows} == {"c/leaf"}
    assert run(home, "audit", "--file", "-", "--format", "quiet", stdin="c/leaf\nl/lonely\n").stdout == "c/leaf\n"


def test_sarif_validates(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text(f"---\nlicense: mit\nbase_model: {META}\n---\n")
    log = json.loads(
        run(home, "audit", "c/leaf", str(folder), "--format", "sarif", "--fail-on", "violation", code=1).stdout
    )
    import jsonschema

    jsonschema.Draft4Validator(json.loads(SCHEMA.read_text())).validate(log)
    (result, *_) = [each for each in log["runs"][0]["results"] if each["level"] == "error"]
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    places = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in log["runs"][0]["results"]}
    assert places == {"c/leaf/README.md", (folder / "README.md").as_uri()}
    prints = [each["partialFingerprints"]["modelAncestorRule/v1"] for each in log["runs"][0]["results"]]
    assert len(set(prints)) == len(prints)


def test_suppressions_and_their_errors(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[[suppress]]\nmodel = "c/laundered"\nreason = "asked"\nexpires = 2999-01-01\n')
    run(home, "audit", "c/laundered", "--fail-on", "needs_review", "--suppressions", str(file))
    file.write_text('[[suppress]]\nmodel = "c/laundered"\nreason = "asked"\nexpires = 2001-01-01\n')
    done = run(home, "audit", "c/laundered", "--suppressions", str(file), code=2)
    assert "expired on 2001-01-01" in done.stderr
    assert "set a new date" in done.stderr
    file.write_text("suppress = 3")
    run(home, "audit", "c/laundered", "--suppressions", str(file), code=2)


def test_the_whole_atlas_from_the_command_line(home: Path) -> None:
    found = run_json(home, "audit", "--all")
    assert found["counts"]["models"] == len(ROWS)
    rows = run_json(home, "query", "findings", "--param", "model=c/leaf")
    assert {(row["ancestor"], row["verdict"]) for row in rows} == {
        (META, "violation"), (META, "needs_review"), ("p/nc", "violation"),
    }  # fmt: skip
    verdicts = run_json(home, "query", "verdict", "--param", "model=c/leaf")
    assert {row["ancestor"]: row["verdict"] for row in verdicts} == {
        META: "violation", "p/nc": "violation", "c/laundered": "compliant_with_obligations", "datasets/d/d": "unknown",
        "c/leaf": "compliant",
    }  # fmt: skip
    assert "Audited 7 models" in run(home, "audit", "--all").stdout
    runs = run_json(home, "runs")["runs"]
    assert [each["kind"] for each in runs] == ["audit", "audit", "load"]
    assert run_json(home, "query", "findings_by_rule")


def test_licenses_explains_and_suggests(home: Path) -> None:
    found = run_json(home, "licenses", "Llama 3.1")
    assert (found["id"], found["under"]["compliant_with_obligations"]) == ("llama3.1", {"llama3x-kept": ["llama3.1"]})
    assert "name begins with 'Llama'" in run(home, "licenses", "llama3.1").stdout
    assert len(run_json(home, "licenses")) == len(catalogue())
    assert "Did you mean apache-2.0" in run(home, "licenses", "apach-2.0", code=2).stderr


@pytest.mark.parametrize("spec", ["1.7", "1.6"])
def test_a_bill_of_materials_validates_and_reads_back(home: Path, spec: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = run(home, "bom", "c/leaf", "--spec", spec).stdout
    assert JsonStrictValidator(SchemaVersion.from_version(spec)).validate_str(text) is None
    document = json.loads(text)
    root, edges, license_ids = read_bom(document)
    steps = run_json(home, "lineage", "c/leaf", "--depth", "0")["ancestors"]
    assert root == "c/leaf"
    assert edges == {(s["child"], s["parent"], s["relation"], s["status"], s["confidence"]) for s in steps}
    assert license_ids["model:c/leaf"] == ["mit"]
    assert license_ids[f"model:{META}"] == ["llama3.1"]
    refs = {entry["bom-ref"] for entry in document["components"]}
    assert refs == {"model:c/laundered", f"model:{META}", "model:p/nc", "dataset:d/d"}
    cited = [pointer for each in document.get("citations", ()) for pointer in each["pointers"]]
    assert all(resolve(document, pointer) for pointer in cited)
    assert bool(cited) == (spec == "1.7")
    concluded = [
        e["license"]
        for e in document["metadata"]["component"]["licenses"]
        if e["license"]["acknowledgement"] == "concluded"
    ]
    assert {entry.get("id") or entry["name"] for entry in concluded} == {
        "CC-BY-NC-4.0",
        "Llama 3.1 Community License Agreement",
    }


def resolve(document: Any, pointer: str) -> Any:
    for key in pointer.split("/")[1:]:
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def test_no_bill_ever_has_an_invalid_license_id(home: Path) -> None:
    from cyclonedx.spdx import is_supported_id

    document = json.loads(run(home, "bom", "c/named").stdout)
    entries = [entry["license"] for entry in document["metadata"]["component"]["licenses"]]
    assert [entry.get("id") for entry in entries] == [None]
    assert entries[0]["name"] == "made-up-1.0"
    assert all(is_supported_id(row.spdx) for row in catalogue() if row.spdx is not None)
    assert "there is no model" in run(home, "bom", "no/such", code=3).stderr


@pytest.mark.parametrize("spec", ["1.7", "1.6"])
def test_a_bill_writes_true_expressions_and_package_urls(empty_home: Path, spec: str) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    rows = [
        model("p/nc", tags=["license:cc-by-nc-4.0"]),
        model("c/both", cardData={"license": "Apache-2.0 OR MIT", "base_model": "p/nc"}),
        model("c/ok", cardData={"license": "llama3.1, mit", "base_model": "c/both"}),
        model("c/tag", cardData={"license": "Apache-2.0 WITH LLVM-exception", "base_model": "hf.co/x/y:Q4_K_M"}),
    ]
    run(empty_home, "load", "--no-statistics", write_rows(empty_home / "expressions.jsonl", rows))
    declared = {}
    for name in ("c/both", "c/ok", "c/tag"):
        text = run(empty_home, "bom", name, "--spec", spec).stdout
        assert JsonStrictValidator(SchemaVersion.from_version(spec)).validate_str(text) is None
        document = json.loads(text)
        component = document["metadata"]["component"]
        declared[name] = next(e.get("expression") for e in component["licenses"] if "expression" in e)
        assert component["purl"] == f"pkg:huggingface/{name}"
        cited = [pointer for each in document.get("citations", ()) for pointer in each["pointers"]]
        assert all(resolve(document, pointer) for pointer in cited)
        if spec == "1.7":
            assert read_bom(document)[2][f"model:{name}"]
    assert declared == {
        "c/both": "Apache-2.0 OR MIT",
        "c/ok": "LicenseRef-scancode-llama-3.1-license-2024 AND MIT",
        "c/tag": "Apache-2.0 WITH LLVM-exception",
    }
    (parent,) = document["components"]
    assert (parent["name"], parent["purl"]) == ("y", "pkg:huggingface/x/y")


@pytest.mark.parametrize(
    ("identifier", "repository"),
    [
        ("openai-community/gpt2", True), ("a_b/C.d-e", True), ("01-ai/Yi-34B", True), ("gpt2", False), ("hf.co/x", False),
        ("hf.co/x/y:Q4", False), ("a/b/c", False), ("./out/x", False), ("a/b c", False), ("a/b:Q4", False),
        ("huggingface.co/a", False), ("models--a--b/c", False), ("a/b--c", False), ("~/x", False), ("a/", False),
    ],
)  # fmt: skip
def test_only_repositories_have_a_package_url(identifier: str, repository: bool) -> None:
    from atlas_db.bom.collect import is_repository

    assert is_repository(identifier) is repository


# These start from an empty store, so they stand behind all that share a filled one.
def test_fail_on_does_not_pass_in_silence(fresh_home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    card = mine / "README.md"
    card.write_text("---\nlicense: mit\nbase_model: p/unheard-of\n---\n")
    fail = ("--fail-on", "violation")
    # An empty atlas.
    for target in ("c/c", str(mine), "--all"):
        done = run(fresh_home, "audit", target, *fail, code=5)
        assert "this atlas is empty" in done.stderr
        assert "--allow-incomplete" in done.stderr
    run(fresh_home, "audit", str(mine), *fail, "--allow-incomplete")
    run(fresh_home, "audit", "--all", *fail, "--allow-incomplete")
    assert "the store local is empty" in run(fresh_home, "audit", "c/c", *fail, "--allow-incomplete", code=3).stderr
    assert "the store local is empty" in run(fresh_home, "audit", "--all", code=3).stderr
    # An atlas without the parent.
    rows = [child("c/c", "finetune:p/gone", tags=["license:mit"]), model("c/fine", tags=["license:mit"])]
    run(fresh_home, "load", "--no-statistics", write_rows(tmp_path / "rows.jsonl", rows))
    for target, name in (("c/c", "p/gone"), (str(mine), "p/unheard-of"), ("--all", "p/gone")):
        done = run(fresh_home, "audit", target, *fail, code=5)
        assert f"not in this atlas (newest record 2024-01-01): {name}" in done.stderr
        run(fresh_home, "audit", target, *fail, "--allow-incomplete")
        run(fresh_home, "audit", target)
    run(fresh_home, "audit", "c/fine", *fail)
    run(fresh_home, "audit", "c/fine", "no/such", *fail, code=5)
    # Findings of the verdict come first.
    card.write_text("---\nlicense: made-up\nbase_model: p/unheard-of\n---\n")
    run(fresh_home, "audit", str(mine), "--fail-on", "unknown", code=1)
    log = json.loads(run(fresh_home, "audit", "c/c", "--format", "sarif", *fail, code=5).stdout)
    (notice,) = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert "p/gone" in notice["message"]["text"]
    assert run_json(fresh_home, "audit", "c/c", *fail, code=5)["not_in_atlas"] == ["p/gone"]


def test_fail_on_reports_an_atlas_that_is_older_than_a_model(fresh_home: Path, tmp_path: Path) -> None:
    rows = [
        model("p/new", tags=["license:mit"], createdAt="2025-05-01T00:00:00.000Z"),
        child("c/c", "finetune:p/new", tags=["license:mit"]), model("c/old", tags=["license:mit"]),
    ]  # fmt: skip
    path = write_rows(tmp_path / "rows.jsonl", rows)
    run(fresh_home, "load", "--no-statistics", path, "--as-of", "2024-06-01")
    for target in ("c/c", "p/new", "--all"):
        done = run(fresh_home, "audit", target, "--fail-on", "violation", code=5)
        assert "newer than this atlas (newest record 2024-06-01): p/new" in done.stderr
        run(fresh_home, "audit", target, "--fail-on", "violation", "--allow-incomplete")
    run(fresh_home, "audit", "c/old", "--fail-on", "violation")


def test_a_bill_names_datasets_and_what_is_not_in_this_atlas(fresh_home: Path, tmp_path: Path) -> None:
    same = "c/twin"
    rows = [
        child(same, "finetune:p/gone", tags=["license:mit", f"dataset:{same}", "dataset:d/d"]), model("c/silent"),
        {"id": "d/d", "tags": [], "citation": "", "description": "", "author": "d"},
    ]  # fmt: skip
    run(fresh_home, "load", "--no-statistics", write_rows(tmp_path / "rows.jsonl", rows))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "README.md").write_text(f"---\nbase_model: [{same}, p/unheard-of]\ndatasets: [d/unheard-of]\n---\n")
    for target in (same, str(mine)):
        document = json.loads(run(fresh_home, "bom", target).stdout)
        components = [document["metadata"]["component"], *document["components"]]
        values = {c["bom-ref"]: {p["name"]: p["value"] for p in c["properties"]} for c in components}
        states = {ref: row["atlas-db:license_state"] for ref, row in values.items()}
        assert states[f"dataset:{same}"] == states["model:p/gone"] == "not_in_atlas"
        assert (states[f"model:{same}"], states["dataset:d/d"]) == ("stated", "states_none")
        assert "newest record 2024-01-01" in values["model:p/gone"]["atlas-db:not_in_atlas"]
        names = {c["bom-ref"]: c["name"] for c in components}
        assert (names[f"dataset:{same}"], names[f"model:{same}"]) == (f"datasets/{same}", "twin")
        assert values[f"dataset:{same}"]["atlas-db:id"] == f"datasets/{same}"
        assert not any("purl" in c for c in components if c["type"] == "data")
        cited = [pointer for each in document["citations"] for pointer in each["pointers"]]
        assert all(resolve(document, pointer) for pointer in cited)
    assert states["model:mine"] == "states_none"
    assert states["model:p/unheard-of"] == states["dataset:d/unheard-of"] == "not_in_atlas"
