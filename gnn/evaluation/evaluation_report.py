"""Reports of evaluations, and the files that keep the newest ones for the dashboard; it imports no learning library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.files import write_whole

EVALUATIONS = "evaluations"
"""Folder in the home folder: one folder a store, in it one file an attribute and split."""


@dataclass(slots=True)
class EvaluationReport:
    """Metrics of one attribute in one view of one split.

    Attributes:
        attribute: Name of the attribute.
        split: Name of the split, as `gnn.evaluation.evaluate.split` has it.
        view: `with_metadata` (all but the target) or `cold_start` (id, date and lineage only).
        models: Number of tested models.
        rows: One a method: its name as `method`, and its metrics.
        gain: Gain of the network over the trees alone, by metric: mean, and bounds of the 95 % interval over authors.
        reliability: Reliability curve of the shipped model: mean confidence, accuracy and models of each bin.
    """

    attribute: str
    split: str
    view: str
    models: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    gain: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    reliability: list[tuple[float, float, int]] = field(default_factory=list)


def save_report(reports: Sequence[EvaluationReport], folder: Path) -> None:
    """Write the reports of each attribute and split, in place of earlier ones.

    Args:
        reports: Reports of any number of attributes and splits.
        folder: Folder of one store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for attribute, split in dict.fromkeys((report.attribute, report.split) for report in reports):
        rows = [asdict(report) for report in reports if (report.attribute, report.split) == (attribute, split)]
        file = folder / f"{attribute}-{split}.json"
        write_whole(file, msgspec.json.encode(rows))


def load_report(folder: Path) -> list[EvaluationReport]:
    """Return the reports in the folder of a store, by attribute and split."""
    return [
        report
        for file in sorted(folder.glob("*.json"))
        for report in msgspec.json.decode(file.read_bytes(), type=list[EvaluationReport])
    ]
