"""Reliability curves as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnn.scores import Scores


def draw_reliability(found: Sequence[Scores], folder: Path) -> list[Path]:
    """Draw confidence against the share that is right, one picture an attribute and split.

    Returns:
        The files.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for attribute, split in dict.fromkeys((scores.attribute, scores.split) for scores in found if scores.reliability):
        figure = Figure(figsize=(4.5, 4.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot((0, 1), (0, 1), color="0.7", linewidth=1)
        for scores, style in zip(
            (each for each in found if (each.attribute, each.split) == (attribute, split)), ("o-", "s--"), strict=False
        ):
            sure, right, counts = zip(*scores.reliability, strict=True)
            axes.plot(sure, right, style, label=f"{scores.view}, {sum(counts):,} models")
        axes.set(xlabel="confidence", ylabel="share right", title=f"{attribute}, {split} split")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="upper left")
        path = folder / f"reliability-{attribute}-{split}.png"
        FigureCanvasAgg(figure).print_png(str(path))  # type: ignore[no-untyped-call]
        files.append(path)
    return files
