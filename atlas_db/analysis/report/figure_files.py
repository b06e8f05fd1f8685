"""Figures of the analysis as files for a paper: SVG, PNG or PDF, equal for equal tables."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.errors import UsageError
from atlas_db.core.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_FORMATS = ("svg", "png", "pdf")
DPI = 200
_NO_DATE: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
}
"""What keeps the time of writing out of each kind of file."""


def draw_figures(tables: Mapping[str, AnalysisTable], folder: Path, form: str) -> list[Path]:
    """Draw the tables that have a figure.

    Args:
        tables: Tables by name.
        folder: Folder of the figures; it exists.
        form: svg, png or pdf.

    Returns:
        The files, one a table with a figure and rows.

    Raises:
        UsageError: There is no such format.
    """
    if form not in FIGURE_FORMATS:
        raise UsageError(f"there is no format {form!r} of figures", hint=f"Use one of: {', '.join(FIGURE_FORMATS)}")
    drawn = [(name, draw) for name, draw in _FIGURES.items() if name in tables and len(tables[name].frame)]
    return [_draw(tables[name], draw, folder / f"{name}.{form}", form) for name, draw in drawn]


def _draw(table: AnalysisTable, draw: Callable[[Axes, pd.DataFrame], None], file: Path, form: str) -> Path:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Ids in SVG are random without a salt; text stays text, so that it can be searched and set in another font.
    with mpl.rc_context({"svg.hashsalt": table.name, "svg.fonttype": "none", "pdf.fonttype": 42}):
        figure = Figure(figsize=(7.0, 4.5), layout="constrained")
        axes = figure.add_subplot()
        draw(axes, table.frame)
        axes.set_title("\n".join(textwrap.wrap(table.title, 80)), fontsize=9, loc="left")
        with replacing(file) as partial:
            figure.savefig(partial, format=form, dpi=DPI, metadata=_NO_DATE[form])
    return file


def _intervals(axes: Axes, labels: list[str], frame: pd.DataFrame, value: str) -> None:
    """Draw estimates with their intervals, the first row on top."""
    places = range(len(frame), 0, -1)
    around = [frame[value] - frame["low"], frame["high"] - frame[value]]
    axes.errorbar(frame[value], list(places), xerr=around, fmt="o", markersize=4, capsize=2)
    axes.set_yticks(list(places), ["\n".join(textwrap.wrap(label, 60)) for label in labels], fontsize=6)


def _findings(axes: Axes, frame: pd.DataFrame) -> None:
    known = frame[frame["sample"] > 0]
    labels = [f"{row.finding}: {row.measure}" for row in known.itertuples()]
    _intervals(axes, labels, known, "value")
    axes.plot(known["threshold"], range(len(known), 0, -1), "|", color="0.3", markersize=14)
    axes.set_xlabel("estimate, 95 % interval; | is the value above which the finding holds")


def _mutation_rates(axes: Axes, frame: pd.DataFrame) -> None:
    every = frame[(frame["relation"] == "all") & frame["rate"].notna()]
    _intervals(axes, list(every["trait"]), every, "rate")
    axes.set_xlabel("mutation rate, 95 % interval over parents")


def _similarity(axes: Axes, frame: pd.DataFrame) -> None:
    cosine = frame[frame["measure"] == "tfidf"]
    _intervals(axes, [f"{row.kind}, drawn over {row.drawn}" for row in cosine.itertuples()], cosine, "mean")
    axes.set_xlabel("mean TF-IDF cosine, 95 % interval over parents")


def _growth(axes: Axes, frame: pd.DataFrame) -> None:
    axes.plot(frame["month"], frame["total"], label="models")
    axes.bar(frame["month"], frame["models"], color="0.7", label="new a month")
    every = max(1, len(frame) // 8)
    axes.set_xticks(range(0, len(frame), every), list(frame["month"])[::every], fontsize=7)
    axes.legend(fontsize=7)


def _family_sizes(axes: Axes, frame: pd.DataFrame) -> None:
    axes.plot(frame["from"], frame["families"], "o-", markersize=4)
    axes.set(xscale="log", yscale="log", xlabel="models of a family, at least", ylabel="families")


_FIGURES: dict[str, Callable[[Axes, pd.DataFrame], None]] = {
    "findings": _findings,
    "mutation_rates": _mutation_rates,
    "similarity": _similarity,
    "growth": _growth,
    "family_sizes": _family_sizes,
}
