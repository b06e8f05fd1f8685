"""What a section of the analysis is made of, and the two intervals that its numbers carry."""

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
    """One table.

    Attributes:
        name: Its name, unique in the analysis.
        title: What it shows.
        definition: What it implements: definition, figure or section of a paper; or how it was counted.
        frame: The numbers.
    """

    name: str
    title: str
    definition: str
    frame: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return the values."""
        return self.frame

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, rows as maps; what is missing is None."""
        rows = self.frame.astype(object).where(self.frame.notna(), None).to_dict("records")
        plain = msgspec.to_builtins([{key: _plain(value) for key, value in row.items()} for row in rows])
        return {"name": self.name, "title": self.title, "definition": self.definition, "rows": plain}


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def ratio_interval(
    hits: Integers | Doubles, trials: Integers, clusters: Integers, seed: int, replicates: int = REPLICATES
) -> tuple[float, float, float]:
    """Return a share, or a mean, with its 95 % bootstrap interval over clusters (Davison & Hinkley 1997, section 3.8).

    Children of one parent are no independent witnesses, so whole parents are drawn.

    Args:
        hits: Numerators, shape (n,).
        trials: Denominators, shape (n,).
        clusters: What each belongs to, shape (n,).
        seed: Seed of the draws.
        replicates: Number of draws.

    Returns:
        Share, lower and upper bound; NaN where nothing was tried.
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
    """Return how often each combination of columns occurs, the most frequent first."""
    grouped = frame.groupby(by, observed=True, dropna=False).size().reset_index(name=name)
    return grouped.sort_values([name, *by], ascending=[False, *[True] * len(by)], ignore_index=True)
