"""Reliability curves: one picture an attribute and split, of all reports that have a curve."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnn.evaluation.evaluation_report import EvaluationReport
from gnn.evaluation.plots import draw_curves, draw_reliability

PNG = b"\x89PNG"


def report(attribute: str, view: str, *, curve: bool = True) -> EvaluationReport:
    points = [(0.2, 0.25, 10), (0.9, 0.85, 30)] if curve else []
    return EvaluationReport(attribute, "temporal", view, 40, [], {}, reliability=points)


@pytest.mark.slow
def test_one_picture_an_attribute_and_split(tmp_path: Path) -> None:
    views = [report("license", "field"), report("license", "bare"), report("pipeline_tag", "field")]
    files = draw_reliability([*views, report("language", "field", curve=False)], tmp_path / "plots")
    assert [file.name for file in files] == [
        "reliability-license-temporal.png",
        "reliability-pipeline_tag-temporal.png",
    ]
    assert all(file.read_bytes().startswith(PNG) for file in files)
    assert files[0].read_bytes() != files[1].read_bytes()


def test_without_curves_there_is_no_picture(tmp_path: Path) -> None:
    assert draw_reliability([report("license", "field", curve=False)], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_curve_of_one_point_is_drawn(tmp_path: Path) -> None:
    draw_curves({"alone": [(0.5, 0.5, 1)]}, "one", tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(PNG)
