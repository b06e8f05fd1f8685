"""Tests of `atlas_db/cli/query.py`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tests.support.command import run, run_json


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
