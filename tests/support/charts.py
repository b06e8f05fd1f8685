"""Charts of small families of models."""

from __future__ import annotations

from pathlib import Path

from ingest.weights.chart import chart
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge
from tests.support.families import Weights, print_of, write


def charted(folder: Path, models: dict[str, tuple[Weights, str, str]], *, time: bool = True) -> list[Edge]:
    """Chart models given as weights, type and date."""
    prints = [
        print_of(write(folder / name, weights, dtype), name, date) for name, (weights, dtype, date) in models.items()
    ]
    return chart(prints, Resampler(), time=time)


def pairs(edges: list[Edge]) -> set[tuple[str, str]]:
    return {(edge.child, edge.parent) for edge in edges}


def one_a_day(folder: Path, models: dict[str, Weights], **dtypes: str) -> list[Edge]:
    """Chart models that came day after day, as F32 unless a type is given."""
    days = enumerate(models.items(), 1)
    return charted(folder, {n: (weights, dtypes.get(n, "F32"), f"2024-01-{day:02d}") for day, (n, weights) in days})
