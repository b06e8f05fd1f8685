"""The samples of one family, and what pairwise tests found of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from atlas_db.core.arrays import Bytes, Doubles, Flags, Floats
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample
from ingest.weights.merges.merge import Merge
from ingest.weights.pairwise.direction import directions
from ingest.weights.pairwise.frozen_tensors import untouched
from ingest.weights.pairwise.low_rank_delta import difference_rank
from ingest.weights.pairwise.quantization_grid import (
    Copy,
)
from ingest.weights.pairwise.untrained_embeddings import unmet
from ingest.weights.samples.aligned_samples import Vectors, align, cosines, distances, distances_by_part
from ingest.weights.samples.family_alignment import in_one_order
from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.edge import known_date
from ingest.weights.tree.scorer import ParentScorer, load_scorer

RANKED = 16
"""Models nearer than another at which the rank of a difference is still looked at."""


WIDTH = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "F8_E4M3": 8, "F8_E5M2": 8}


LATER_PENALTY = 3.5
"""Log-odds against a parent dated after its child: 3 % of dates are wrong in generated families, 0.3 % on the Hub."""


@dataclass(slots=True)
class Family:
    """One component while it is charted. Rows are rows of `vectors`.

    Attributes:
        prints: Fingerprint of each row.
        vectors: Samples side by side.
        squared: Squared distances.
        alike: Cosines.
        by_weights: Log-odds that each row came before each other, by weights alone.
        older: The same, by weights and dates.
        dates: Date of each row, or empty.
        odds: Fitted weights.
        original: Row that each row is an exact copy of; itself where it is none.
        grid: Grid that a row's values lie on, or empty.
        copies: What a row is a copy of, and how.
        merges: What a row is merged of.
        likewise: Other models that a row may as well be a copy of, or merged of.
        as_stored: Samples with all units where they are in the files, where any were moved: merges are made of these.
        frames: Name of the permutation that was undone in each row; empty where there was none.
        close: Whether few models are nearer to one of two than the other is: the rank of their difference is looked at.
        ranks: Ranks of differences that were looked at.
        kept: Share of each row's tensors that every other row has just as they are, children first.
        by_part: Logarithms of distances over each part of the network, shape (n, n, parts).
        unmet: What models have of each other's rows of words, in bits.
    """

    prints: list[Fingerprint]
    vectors: Vectors
    squared: Doubles
    alike: Doubles
    dates: list[str]
    odds: ParentScorer
    by_weights: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    older: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    original: list[int] = field(default_factory=list)
    grid: list[str] = field(default_factory=list)
    copies: dict[int, tuple[int, Copy]] = field(default_factory=dict)
    merges: dict[int, Merge] = field(default_factory=dict)
    likewise: dict[int, list[int]] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)
    as_stored: Vectors | None = None
    close: Flags = field(init=False)
    ranks: dict[tuple[int, int], float] = field(default_factory=dict)
    kept: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    by_part: Floats = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))
    unmet: Bytes = field(default_factory=lambda: np.empty((0, 0, 0), np.uint8))

    def __post_init__(self) -> None:
        nearer = np.array([np.searchsorted(np.sort(away), away) for away in self.squared])
        self.close = (nearer <= RANKED) | (nearer <= RANKED).T

    def rank(self, row: int, other: int) -> float:
        """Return the rank of the difference of two rows, NaN where it is not low, or the two are not close."""
        if not self.close[row, other]:
            return np.nan
        pair = (min(row, other), max(row, other))
        if pair not in self.ranks:
            self.ranks[pair] = difference_rank(self.vectors, *pair)
        return self.ranks[pair]


def assemble(prints: Sequence[Fingerprint], read: Rereader | None, *, time: bool) -> Family:
    """Read the models of one component side by side, units in one order."""
    samples: list[Sample | None] = [read.sample(item) for item in prints] if read else [None] * len(prints)
    close = all(sample is not None for sample in samples)
    used = [sample if close and sample else item.sample for sample, item in zip(samples, prints, strict=True)]
    frames, as_stored = [""] * len(prints), used
    if read is not None and close:
        used, frames = in_one_order(prints, used, read)
    vectors = align(used, [item.dtype for item in prints])
    kept = [prints[place] for place in vectors.members]
    dates = [known_date(item.created_at) if time else "" for item in kept]
    family = Family(kept, vectors, distances(vectors), cosines(vectors), dates, load_scorer(close))
    family.frames = [frames[place] for place in vectors.members]
    if any(family.frames):
        stored = align([as_stored[place] for place in vectors.members], [item.dtype for item in kept])
        family.as_stored = stored if len(stored.members) == len(kept) else None
    family.kept, family.unmet, family.by_part = untouched(vectors), unmet(vectors), distances_by_part(vectors)
    family.by_weights = directions(vectors, family.squared, family.odds.precedence)
    return dated(family, dates)


def age(family: Family, row: int) -> tuple[str, int, str, int]:
    """Sorts copies: those without a date first (the Hub's stand-in is for the oldest), then by date, type and order."""
    return family.dates[row], -WIDTH.get(family.prints[row].dtype, 0), family.frames[row], row


def nodes(family: Family) -> list[int]:
    """Rows that can be parents: originals that are not quantized."""
    return [row for row in range(len(family.prints)) if family.original[row] == row and not is_leaf(family, row)]


def is_leaf(family: Family, row: int) -> bool:
    """Whether a model is quantized: nothing comes from it."""
    copy = family.copies.get(row)
    return bool(family.grid[row]) or (copy is not None and copy[1].kind == "quantized")


def frames_of(family: Family, row: int) -> set[str]:
    """Orders of units that a model and its exact copies come in."""
    return {family.frames[other] for other in exact_copies(family, row)}


def exact_copies(family: Family, row: int) -> list[int]:
    """Rows that hold the very same weights, the row itself among them."""
    return [other for other, first in enumerate(family.original) if first == family.original[row]]


def fixed_parents(family: Family, row: int) -> list[int]:
    """Parents that a row is known to have, the nearest first."""
    if row in family.copies:
        return [family.copies[row][0]]
    if row in family.merges:
        return sorted(family.merges[row].parents, key=lambda parent: family.squared[row, parent])
    return []


def dated(family: Family, dates: list[str]) -> Family:
    """Return a family with other dates: which of two models came first is what the weights say, and what these say."""
    known = np.array([bool(date) for date in dates])
    order = np.unique(np.array(dates), return_inverse=True)[1]
    by_date = np.sign(order[None] - order[:, None]) * LATER_PENALTY
    older = np.asarray(family.by_weights + np.where(known[:, None] & known[None], by_date, 0.0))
    return replace(family, dates=dates, older=older)
