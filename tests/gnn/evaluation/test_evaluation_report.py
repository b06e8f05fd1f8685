"""Tests of `gnn/evaluation/evaluation_report.py`."""

from __future__ import annotations

from pathlib import Path

from gnn.evaluation.evaluation_report import EvaluationReport, load_report, save_report


def test_scores_are_kept_for_the_dashboard(tmp_path: Path) -> None:
    first = [
        EvaluationReport("license", "temporal", view, 10, [{"method": "atlas-db", "accuracy": 0.5}])
        for view in ("with_metadata", "cold_start")
    ]
    other = EvaluationReport(
        "language", "random", "with_metadata", 3, gain={"accuracy": (0.1, 0.0, 0.2)}, reliability=[(0.5, 0.4, 3)]
    )
    save_report([*first, other], tmp_path / "one")
    assert load_report(tmp_path / "one") == [other, *first]
    newer = [EvaluationReport("license", "temporal", "with_metadata", 20)]
    save_report(newer, tmp_path / "one")
    assert load_report(tmp_path / "one") == [other, *newer]
    assert load_report(tmp_path / "none") == []
