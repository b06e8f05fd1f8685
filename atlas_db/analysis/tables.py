"""Tables of the analysis, and the bootstrap interval of their ratios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from atlas_db.core.arrays import Doubles, Integers

REPLICATES = 200


@dataclass(frozen=True, slots=True)
class AnalysisTable:
    """One table of the analysis.

    Attributes:
        name: Name, unique in the analysis.
        title: Title for readers.
        definition: Definition, figure or section of a paper that it implements, or how it is counted.
        frame: Values.
    """

    name: str
    title: str
    definition: str
    frame: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the values."""
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON values: one mapping a row, None for a missing value."""
        rows = self.frame.astype(object).where(self.frame.notna(), None).to_dict("records")
        plain = msgspec.to_builtins([{key: _plain(value) for key, value in row.items()} for row in rows])
        return {"name": self.name, "title": self.title, "definition": self.definition, "rows": plain}


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def ratio_interval(
    hits: Integers | Doubles, trials: Integers, clusters: Integers, seed: int, replicates: int = REPLICATES
) -> tuple[float, float, float]:
    """Return sum(hits) / sum(trials) with its 95 % cluster bootstrap interval (Davison & Hinkley 1997, section 3.8).

    Children of one parent are not independent observations, so whole parents are resampled.

    Args:
        hits: Numerators, shape (n,).
        trials: Denominators, shape (n,).
        clusters: Cluster of each observation, shape (n,).
        seed: Seed of the resampling.
        replicates: Number of bootstrap samples.

    Returns:
        Ratio, lower and upper bound; NaN where there are no trials.
    """
    if not len(trials) or not trials.sum():
        return (np.nan, np.nan, np.nan)
    _, inverse = np.unique(clusters, return_inverse=True)
    top, bottom = np.bincount(inverse, hits), np.bincount(inverse, trials)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(replicates):
        weights = np.bincount(rng.integers(0, len(top), len(top)), minlength=len(top))
        if drawn := weights @ bottom:
            shares.append(weights @ top / drawn)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(top.sum() / bottom.sum()), float(low), float(high)


def count_combinations(frame: pd.DataFrame, by: list[str], name: str) -> pd.DataFrame:
    """Return the number of rows for each combination of columns, the most frequent first."""
    grouped = frame.groupby(by, observed=True, dropna=False).size().reset_index(name=name)
    return grouped.sort_values([name, *by], ascending=[False, *[True] * len(by)], ignore_index=True)
