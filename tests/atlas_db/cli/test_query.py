"""Tests of `atlas_db/cli/query.py`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import polars as pl

from tests.support.command import ATLAS, environment, run, run_json


def test_query_formats(demo: Path) -> None:
    rows = run_json(demo, "query", "top_parents", "-p", "limit=3")
    assert [set(row) for row in rows] == [{"id", "children"}] * 3
    table = list(
        csv.DictReader(io.StringIO(run(demo, "query", "top_parents", "-p", "limit=3", "--format", "csv").stdout))
    )
    assert [(row["id"], int(row["children"])) for row in table] == [(row["id"], row["children"]) for row in rows]
    quiet = run(demo, "query", "top_parents", "-p", "limit=3", "--format", "quiet").stdout.split()
    assert quiet == [row["id"] for row in rows]
    assert rows[0]["id"] in run(demo, "query", "top_parents").stdout
    own = run_json(
        demo, "query", "-", "-p", "n=2", stdin="MATCH (m:Model) RETURN m.id AS id ORDER BY id LIMIT toInteger($n)"
    )
    assert len(own) == 2
    assert run_json(demo, "query", "-", stdin="MATCH (m:Model {id: 'no'}) RETURN m.id AS id") == []
    assert len(run_json(demo, "query")) >= 30


def test_own_cypher_is_refused_when_it_writes(demo: Path) -> None:
    error = run(demo, "query", "-", stdin="MATCH (m:Model) SET m.downloads = 0", code=2)
    assert "--write" in error.stderr
    assert run_json(demo, "query", "most_downloaded", "-p", "limit=1")[0]["value"] > 0


def test_cypher_is_an_argument_and_every_format_holds_the_same_rows(demo: Path) -> None:
    cypher = (
        "MATCH (m:Model) WHERE m.downloads > $least RETURN m.id AS id, m.created_at AS created_at ORDER BY id LIMIT 5"
    )
    words = ("query", cypher, "-p", "least=1000")
    rows = run_json(demo, *words)
    assert len(rows) == 5
    lines = run(demo, *words, "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == rows
    plain = run(demo, *words).stdout
    assert plain == run(demo, *words, "--format", "tsv").stdout
    assert [line.split("\t")[0] for line in plain.splitlines()] == ["id", *(row["id"] for row in rows)]
    parquet = subprocess.run(
        [*ATLAS, *words, "--format", "parquet"], env=environment(demo), capture_output=True, check=True
    ).stdout
    frame = pl.read_parquet(parquet)
    assert frame["id"].to_list() == [row["id"] for row in rows] and frame.schema["created_at"] == pl.Datetime(
        "us", "UTC"
    )


def test_a_syntax_error_says_where(demo: Path) -> None:
    error = run(demo, "query", "MATCH (m:Model RETURN m", code=2).stderr
    assert "line 1, column 16" in error and "RETURN" in error


def test_ids_may_be_addresses_of_the_hub(demo: Path) -> None:
    found = run_json(demo, "query", "ancestors", "-p", "model=hf://atlas-demo/tern-chat")
    assert [row["id"] for row in found] == ["atlas-demo/tern"]
    assert run_json(demo, "lineage", "hf://atlas-demo/tern-chat@main")["model"]["id"] == "atlas-demo/tern-chat"
