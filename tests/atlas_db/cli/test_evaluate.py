"""Tests of `atlas_db/cli/evaluate.py`."""

from __future__ import annotations

import pytest

from atlas_db.cli.evaluate import _show
from gnn.evaluation.evaluation_report import EvaluationReport


@pytest.mark.train
def test_tables_of_scores_fit_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    figures = {name: 0.5 for name in ("accuracy", "over authors", "macro-F1", "ECE", "at 80 %", "with parent")}
    rows = [{"method": "FastRP + logistic regression", **figures}, {"method": "atlas-db", **figures, "precision": 0.9}]
    _show([EvaluationReport("license", "temporal", "with_metadata", 10, rows, {"accuracy": (0.1, 0.05, 0.15)})])
    shown = capsys.readouterr().out
    assert all(name in shown for name in [*figures, "precision"]) and max(map(len, shown.splitlines())) <= 80
    assert shown.count("license, temporal split") == 1 and "in accuracy: +0.1000 [+0.0500, +0.1500]" in shown
