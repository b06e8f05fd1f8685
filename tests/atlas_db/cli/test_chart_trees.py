"""Tests of `atlas_db/cli/chart_trees.py`."""

from __future__ import annotations

import pytest

from atlas_db.cli.chart_trees import MAX_SHOWN, print_trees
from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import DuplicateEvidence
from ingest.weights.tree.edge import Edge


def edge(child: str, parent: str, confidence: float = 0.9) -> Edge:
    return Edge(child, parent, Relation.FINETUNE, confidence, DuplicateEvidence())


def test_every_model_stands_once_below_its_likeliest_parent(capsys: pytest.CaptureFixture[str]) -> None:
    edges = [edge("b", "a"), edge("c", "b"), edge("m", "b", 0.7), edge("m", "c", 0.8), edge("x", "origin:00"),
             edge("y", "origin:00")]  # fmt: skip
    print_trees(edges)
    lines = capsys.readouterr().out.splitlines()
    names = [line.strip("│├└─ ").split("  ")[0] for line in lines]
    assert names == ["a", "b", "c", "m", "an origin that is not here", "x", "y"]
    assert lines[3].endswith("finetune 0.80  also of b")


def test_large_charts_are_cut_and_name_the_file_for_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    print_trees([edge(f"m{n:03d}", "root") for n in range(MAX_SHOWN + 5)] + [edge("z", "other")])
    out = capsys.readouterr().out
    assert "+5" in out and "1 more trees: --out writes all edges" in out and "z" not in out.split()


def test_no_edges_no_trees(capsys: pytest.CaptureFixture[str]) -> None:
    print_trees([])
    assert capsys.readouterr().out == ""
