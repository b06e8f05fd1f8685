"""`analyse`, `compare` and `diff` as people use them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image

from tests.support.command import run
from tests.support.graphs import child, model, write_rows
from tests.support.hubs import made_up

ROWS = [
    *made_up(120),
    child("c/changed", "finetune:org0/base0-7b", tags=["license:cc-by-nc-4.0"]),
    model("v/vanishes", tags=["license:mit"]),
]


@pytest.fixture(scope="module")
def home(empty_home: Path) -> Path:
    run(empty_home, "load", "--no-statistics", write_rows(empty_home / "rows.jsonl", ROWS))
    return empty_home


def test_analyse_in_every_format(home: Path, tmp_path: Path) -> None:
    text = run(home, "analyse", "mutation", "findings").stdout
    assert "definition 7.1" in text
    assert "Siblings are more similar than parent and" in text
    found = json.loads(run(home, "analyse", "coverage", "growth", "--format", "json").stdout)
    assert list(found) == ["coverage", "growth"]
    assert sum(row["models"] for row in found["growth"][0]["rows"]) == len(ROWS)
    rows = list(csv.DictReader(io.StringIO(run(home, "analyse", "growth", "--format", "csv").stdout)))
    assert sum(int(row["models"]) for row in rows) == len(ROWS)
    run(home, "analyse", "coverage", "--format", "csv", code=2)
    run(home, "analyse", "--out", str(tmp_path / "tables"), "--format", "quiet")
    assert {"growth.csv", "findings.csv", "similarity.csv"} <= {file.name for file in (tmp_path / "tables").iterdir()}
    assert "Sections:" in run(home, "analyse", "nonsense", code=2).stderr


def test_an_analysis_can_be_reproduced_and_cited(home: Path, tmp_path: Path) -> None:
    words = ("analyse", "growth", "mutation", "findings", "--seed", "3", "--sample", "500", "--format", "quiet")
    for name in ("one", "two"):
        run(home, *words, "--out", str(tmp_path / name), "--figures", "svg")
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two and {"findings.svg", "growth.svg", "mutation_rates.svg"} <= one.keys()
    stated = json.loads(one["analysis.json"])
    assert (stated["seed"], stated["sample"], stated["newest_model_record"]) == (3, 500, "2024-03-24")
    assert stated["software"].startswith("atlas-db ") and stated["newest_run"].startswith("load-")
    for name, table in stated["tables"].items():
        assert table["sha256"] == hashlib.sha256(one[f"{name}.csv"]).hexdigest()
        assert table["rows"] == len(pd.read_csv(io.BytesIO(one[f"{name}.csv"])))
    findings = pd.read_csv(io.BytesIO(one["findings.csv"]))
    assert findings.reported.notna().all() and set(findings.models_reported) == {1_860_000}
    assert "Anatomy of a Machine Learning Ecosystem" in stated["tables"]["findings"]["title"]
    assert one["citation.bib"].decode().count("title = {{") == 3
    title = ElementTree.fromstring(one["growth.svg"]).find(".//{http://www.w3.org/2000/svg}text")
    assert title is not None


def test_figures_in_every_format(home: Path, tmp_path: Path) -> None:
    for form in ("png", "pdf"):
        run(home, "analyse", "growth", "--out", str(tmp_path), "--figures", form)
    with Image.open(tmp_path / "growth.png") as picture:
        assert picture.width == 1400
    assert (tmp_path / "growth.pdf").read_bytes().startswith(b"%PDF-")
    assert "--out DIR" in run(home, "analyse", "growth", "--figures", "svg", code=2).stderr
    assert "From software atlas-db" in run(home, "analyse", "growth").stdout


def test_compare(home: Path) -> None:
    text = run(home, "compare", "org0/base0-7b", "c/changed").stdout
    assert "tighter" in text
    assert "similarity" in text
    found = json.loads(run(home, "compare", "org0/base0-7b", "c/changed", "--format", "json").stdout)
    assert {trait["name"]: trait["change"] for trait in found["traits"]}["license"] == "tighter"
    assert "".join(span["right"] for span in found["metadata"]).startswith("license: cc-by-nc-4.0")
    assert "Did you mean" in run(home, "compare", "c/chnged", "c/changed", code=3).stderr


def test_diff_of_files_and_stores(home: Path, tmp_path: Path) -> None:
    later = [row for row in ROWS if row["id"] != "v/vanishes"]
    later[-1] = child("c/changed", "finetune:org1/base1-7b", tags=["license:apache-2.0"])
    later.append(model("n/new"))
    file = write_rows(tmp_path / "later.jsonl", later)
    with (tmp_path / "later.jsonl").open("a") as handle:
        handle.write("{broken\n")
    done = run(home, "diff", str(home / "rows.jsonl"), file, "--format", "json")
    found = json.loads(done.stdout)
    assert found["counts"] == {
        "models": [len(ROWS), len(ROWS)], "new": 1, "vanished": 1, "licenses": {"looser": 1}, "moved": 1,
    }  # fmt: skip
    assert "set aside" in done.stderr
    by_store = json.loads(run(home, "diff", "local", file, "--format", "json").stdout)
    assert by_store == found, "a store holds what its file says"
    assert "n/new" in run(home, "diff", str(home / "rows.jsonl"), file).stdout
    rows = list(
        csv.DictReader(io.StringIO(run(home, "diff", str(home / "rows.jsonl"), file, "--format", "csv").stdout))
    )
    assert {row["what"] for row in rows} == {"new", "vanished", "license looser", "parents"}
    run(home, "diff", "no/such/file", file, code=2)
    (tmp_path / "empty.jsonl").write_text("{}\n")
    run(home, "diff", str(tmp_path / "empty.jsonl"), file, code=3)
