"""Reliability curves as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gnn.evaluation.evaluation_report import EvaluationReport

Points = Sequence[tuple[float, float, int]]
"""Mean confidence, accuracy and number of models of each bin."""


def draw_reliability(reports: Sequence[EvaluationReport], folder: Path) -> list[Path]:
    """Draw accuracy over confidence, one picture an attribute and split.

    Args:
        reports: Reports of any number of attributes and splits.
        folder: Folder of the pictures.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for attribute, split in dict.fromkeys((report.attribute, report.split) for report in reports if report.reliability):
        curves = {
            f"{each.view}, {sum(count for _, _, count in each.reliability):,} models": each.reliability
            for each in reports
            if (each.attribute, each.split) == (attribute, split)
        }
        files.append(folder / f"reliability-{attribute}-{split}.png")
        draw_curves(curves, f"{attribute}, {split} split", files[-1])
    return files


def draw_curves(curves: Mapping[str, Points], title: str, file: Path) -> None:
    """Draw reliability curves into one PNG; a calibrated model lies on the diagonal.

    Args:
        curves: Curves by their labels.
        title: Title of the picture.
        file: The PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color="0.7", linewidth=1)
    for (label, points), style in zip(curves.items(), ("o-", "s--"), strict=False):
        confidence, accuracy, _ = zip(*points, strict=True)
        axes.plot(confidence, accuracy, style, label=label)
    axes.set(xlabel="confidence", ylabel="share right", title=title, xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
    FigureCanvasAgg(figure).print_png(str(file))  # type: ignore[no-untyped-call]
