"""What an evaluation found, and where the newest ones are kept for the dashboard; needs no learning library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.files import write_whole

EVALUATIONS = "evaluations"
"""Folder under the home folder; in it one folder a store, in that one file an attribute and split."""


@dataclass(slots=True)
class EvaluationReport:
    """One attribute in one view of one split.

    Attributes:
        attribute: Its name.
        split: temporal, random, authors or families.
        view: field (all that a model states but the target) or bare (id, date and lineage).
        models: Tested models.
        rows: One a method: its name and its figures.
        gain: What the network adds to the trees, by figure: mean and 95 % interval over resampled authors.
        reliability: Confidence and accuracy of what ships, in ten bins: mean, share right, models.
    """

    attribute: str
    split: str
    view: str
    models: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    gain: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    reliability: list[tuple[float, float, int]] = field(default_factory=list)


def save_report(reports: Sequence[EvaluationReport], folder: Path) -> None:
    """Keep the scores of each attribute and split, in place of earlier ones.

    Args:
        reports: Scores of any number of attributes and splits.
        folder: Folder of one store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for attribute, split in dict.fromkeys((report.attribute, report.split) for report in reports):
        rows = [asdict(scores) for scores in reports if (scores.attribute, scores.split) == (attribute, split)]
        file = folder / f"{attribute}-{split}.json"
        write_whole(file, msgspec.json.encode(rows))


def load_report(folder: Path) -> list[EvaluationReport]:
    """Return the scores that were kept for a store, attribute by attribute."""
    return [
        report
        for file in sorted(folder.glob("*.json"))
        for report in msgspec.json.decode(file.read_bytes(), type=list[EvaluationReport])
    ]
