"""Tests of `atlas_db/cli/export.py`."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import polars as pl

from tests.support.command import run, run_json


def test_a_query_becomes_a_graph_and_a_table(demo: Path, tmp_path: Path) -> None:
    words = ("--query", "descendants", "--param", "model=mistralai/Mistral-7B-v0.1")
    report = run_json(demo, "export", "--to", "gexf", "--out", str(tmp_path / "g"), *words)
    rows = run_json(demo, "query", "descendants", *words[2:])
    graph = nx.read_gexf(tmp_path / "g" / "graph.gexf")
    assert set(graph.nodes) == {row["id"] for row in rows}
    assert report["files"]["graph.gexf"]["rows"] == {"Model": len(rows), "DERIVED_FROM": graph.number_of_edges()}
    assert report["parameters"] == {"model": "mistralai/Mistral-7B-v0.1"} and report["newest_model_record"]
    shown = run(demo, "export", "--to", "csv", "--out", str(tmp_path / "t"), *words)
    assert "rows.csv" in shown.stdout and len(pl.read_csv(tmp_path / "t" / "rows.csv")) == len(rows)
    own = ("--query", "MATCH (m:Model) RETURN m.id AS id LIMIT 3", "--format", "quiet")
    files = run(demo, "export", "--to", "jsonl", "--out", str(tmp_path / "o"), *own).stdout.split()
    assert files == [str(tmp_path / "o" / "rows.jsonl")] and len(pl.read_ndjson(files[0])) == 3


def test_what_does_not_fit_is_a_usage_error(demo: Path, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "x"))
    assert "Did you mean Model?" in run(demo, "export", "--to", "csv", *out, "--tables", "Modle", code=2).stderr
    assert "'xlsx'" in run(demo, "export", "--to", "xlsx", *out, code=2).stderr
