"""Tests of `atlas_db/dashboard/figures.py`."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from atlas_db.core.terms import Status
from atlas_db.dashboard import figures
from tests.support.drawing import contrast


def test_figures_leave_out_what_has_no_number() -> None:
    rows = [{"t": "a", "rate": None, "low": None, "high": None}, {"t": "b", "rate": 0.5, "low": 0.4, "high": 0.7}]
    (trace,) = figures.intervals(rows, "t", "rate", title="x")["data"]
    assert trace["y"] == ["b"]
    assert trace["error_x"]["array"] == [pytest.approx(0.2)]
    cells = [{"from": "a", "to": "b", "share": 0.5}]
    assert figures.heat(cells, "to", "from", "share", ["b", "a"], title="x")["data"][0]["z"] == [[0, 0], [0.5, 0]]
    assert SimpleNamespace(**figures.columns([], "a", "b", title="x", across="y")).data[0]["x"] == []


def _themes() -> list[dict[str, str]]:
    """Custom properties of the style sheet, light and dark."""
    sheet = (Path(figures.__file__).parent / "static" / "atlas.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in sheet.split("prefers-color-scheme: dark")[:2]
    )
    return [light, {**light, **dark}]


@pytest.mark.parametrize("theme", _themes(), ids=("light", "dark"))
def test_lines_and_figures_stand_out_from_the_page(theme: dict[str, str]) -> None:
    """WCAG 2.1, 1.4.3 for text and 1.4.11 for lines of a lineage, figures and fields."""
    for word in ("ink", "soft", "link", "mark", "good", "warn", "bad", "unknown"):
        assert contrast(theme[word], theme["card"]) >= 4.5, word
    for status in Status:
        assert contrast(theme[status.value], theme["card"]) >= 3, status
    for colour in (*figures.INK, *figures.SOURCES):
        assert contrast(colour, theme["card"]) >= 3, colour


def test_coverage_curves_end_with_all_models() -> None:
    rows = [
        {"method": "majority", "accuracy": 0.1, "at 50 %": 0.2},
        {"method": "atlas-db", "accuracy": 0.7, "at 90 %": 0.75, "at 50 %": 0.9},
        {"method": "trees", "hits@1": 0.5},
    ]
    (curve,) = figures.coverage_curves({"rows": rows})["data"]
    assert (curve["name"], curve["x"], curve["y"]) == ("atlas-db", [0.5, 0.9, 1.0], [0.9, 0.75, 0.7])
