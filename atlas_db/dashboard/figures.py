"""Charts as plotly figures in JSON values: data and layout. The page adds fonts and colours of its theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Okabe & Ito's colours as far as they stand out on white and on black.
INK = ("#0072b2", "#d55e00", "#009e73", "#b0568f", "#7f7f7f")
SOURCES = ("#009e73", "#d55e00", "#b0568f", "#7a8494")
Rows = Sequence[Mapping[str, Any]]
Figure = dict[str, Any]


def _figure(traces: list[dict[str, Any]], **layout: Any) -> Figure:  # noqa: ANN401
    return {"data": traces, "layout": layout}


def bars(rows: Rows, label: str, value: str, *, title: str, log: bool = False) -> Figure:
    """Return a horizontal bar chart, the first row on top."""
    shown = list(reversed(rows))
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [row[value] for row in shown],
        "y": [str(row[label]) for row in shown],
        "marker": {"color": INK[0]},
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
    }
    axis = {"title": {"text": title}, "type": "log" if log else "linear"}
    return _figure([trace], xaxis=axis, yaxis={"type": "category", "automargin": True}, height=90 + 24 * len(rows))


def columns(rows: Rows, x: str, value: str, *, title: str, across: str) -> Figure:
    """Return a vertical bar chart with a logarithmic axis."""
    trace = {
        "type": "bar",
        "x": [row[x] for row in rows],
        "y": [row[value] for row in rows],
        "marker": {"color": INK[0]},
        "hovertemplate": "%{x}: %{y:,}<extra></extra>",
    }
    return _figure([trace], xaxis={"title": {"text": across}}, yaxis={"title": {"text": title}, "type": "log"})


def lines(rows: Rows, x: str, names: Sequence[str], *, title: str, across: str, share: bool = False) -> Figure:
    """Return a line chart, one line a column."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name.replace("_", " "),
            "x": [row[x] for row in rows],
            "y": [row[name] for row in rows],
            "line": {"color": INK[at % len(INK)]},
            "marker": {"symbol": at},
        }
        for at, name in enumerate(names)
    ]
    tick = {"tickformat": ".0%", "rangemode": "tozero"} if share else {"rangemode": "tozero"}
    return _figure(traces, xaxis={"title": {"text": across}}, yaxis={"title": {"text": title}, **tick})


def stacked(rows: Rows, label: str, names: Sequence[str], *, title: str) -> Figure:
    """Return a stacked bar chart, one bar a row."""
    shown = list(reversed(rows))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "x": [row[name] for row in shown],
            "y": [str(row[label]) for row in shown],
            "marker": {"color": colour, "pattern": {"shape": shape}},
        }
        for name, colour, shape in zip(names, SOURCES, ("", "/", ".", ""), strict=False)
    ]
    return _figure(
        traces,
        barmode="stack",
        xaxis={"title": {"text": title}},
        yaxis={"automargin": True},
        height=110 + 32 * len(rows),
    )


def intervals(rows: Rows, label: str, value: str, *, title: str) -> Figure:
    """Return points with their 95 % intervals, the first row on top."""
    shown = [row for row in reversed(rows) if row[value] is not None]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": [row[value] for row in shown],
        "y": [str(row[label]) for row in shown],
        "marker": {"color": INK[1], "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [row["high"] - row[value] for row in shown],
            "arrayminus": [row[value] - row["low"] for row in shown],
        },
    }
    axis = {"title": {"text": title}, "rangemode": "tozero"}
    return _figure([trace], xaxis=axis, yaxis={"type": "category", "automargin": True}, height=110 + 30 * len(shown))


def heat(rows: Rows, across: str, down: str, value: str, order: Sequence[str], *, title: str) -> Figure:
    """Return a heat map of shares, one cell a pair."""
    table = {(row[down], row[across]): row[value] for row in rows}
    found = [name for name in order if any(name in pair for pair in table)]
    cells = [[table.get((above, below), 0) for below in found] for above in found]
    trace = {
        "type": "heatmap",
        "x": [name.replace("_", " ") for name in found],
        "y": [name.replace("_", " ") for name in found],
        "z": cells,
        "colorscale": "Cividis",
        "colorbar": {"title": {"text": title}, "tickformat": ".0%"},
        "texttemplate": "%{z:.0%}",
        "hovertemplate": "%{y} to %{x}: %{z:.1%}<extra></extra>",
    }
    axes = {"title": {"text": "child"}}, {"title": {"text": "parent"}, "autorange": "reversed", "automargin": True}
    return _figure([trace], xaxis=axes[0], yaxis=axes[1], height=420)


def reliability(scores: Rows) -> Figure:
    """Return a reliability diagram: confidence against accuracy, one curve a view."""
    diagonal = {
        "type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "name": "perfect",
        "line": {"dash": "dot", "color": "#7a8494"},
    }  # fmt: skip
    curves = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": each["view"],
            "x": [confidence for confidence, _, _ in each["reliability"]],
            "y": [right for _, right, _ in each["reliability"]],
            "text": [f"{number:,} models" for _, _, number in each["reliability"]],
            "line": {"color": INK[at]},
            "marker": {"symbol": at},
        }
        for at, each in enumerate(scores)
    ]
    axes = [{"title": {"text": text}, "range": [0, 1], "tickformat": ".0%"} for text in ("confidence", "share right")]
    return _figure([diagonal, *curves], xaxis=axes[0], yaxis=axes[1], height=380)


COMPARED = ("atlas-db", "trees", "network alone", "back-off chain", "label propagation")
"""Methods whose curves are drawn: the whole model, its parts, and baselines."""


def coverage_curves(view: Mapping[str, Any]) -> Figure:
    """Return accuracy against coverage of one view, from half of the models to all, the most confident first."""
    curves = []
    methods = [row for name in COMPARED for row in view["rows"] if row["method"] == name and "accuracy" in row]
    for at, row in enumerate(methods):
        shares = {int(key.split()[1]) / 100: row[key] for key in row if key.startswith("at ")}
        points = sorted({**shares, 1.0: row["accuracy"]}.items())
        curves.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": row["method"],
                "x": [share for share, _ in points],
                "y": [right for _, right in points],
                "line": {"color": INK[at], "dash": "solid" if at == 0 else "dash"},
                "marker": {"symbol": at},
            }
        )
    across = {"title": {"text": "share of models, the most confident first"}, "tickformat": ".0%"}
    return _figure(curves, xaxis=across, yaxis={"title": {"text": "share right"}, "tickformat": ".0%"}, height=380)
