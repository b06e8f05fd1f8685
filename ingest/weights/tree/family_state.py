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


DTYPE_BITS = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "F8_E4M3": 8, "F8_E5M2": 8}


LATER_PENALTY = 3.5
"""Log-odds against a parent dated after its child: 3 % of dates are wrong in generated families, 0.3 % on the Hub."""


@dataclass(slots=True)
class FamilyState:
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

    fingerprints: list[Fingerprint]
    vectors: Vectors
    sq_distance: Doubles
    cosine: Doubles
    dates: list[str]
    scorer: ParentScorer
    precedence_by_weights: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    precedence_log_odds: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    duplicate_of: list[int] = field(default_factory=list)
    quantization: list[str] = field(default_factory=list)
    copies: dict[int, tuple[int, Copy]] = field(default_factory=dict)
    merges: dict[int, Merge] = field(default_factory=dict)
    alternatives: dict[int, list[int]] = field(default_factory=dict)
    permutation_id: list[str] = field(default_factory=list)
    unpermuted: Vectors | None = None
    is_near: Flags = field(init=False)
    rank_cache: dict[tuple[int, int], float] = field(default_factory=dict)
    frozen_share: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    log_distance_by_part: Floats = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))
    untrained_rows: Bytes = field(default_factory=lambda: np.empty((0, 0, 0), np.uint8))

    def __post_init__(self) -> None:
        nearer = np.array([np.searchsorted(np.sort(away), away) for away in self.sq_distance])
        self.is_near = (nearer <= RANKED) | (nearer <= RANKED).T

    def difference_rank(self, row: int, other: int) -> float:
        """Return the rank of the difference of two rows, NaN where it is not low, or the two are not close."""
        if not self.is_near[row, other]:
            return np.nan
        pair = (min(row, other), max(row, other))
        if pair not in self.rank_cache:
            self.rank_cache[pair] = difference_rank(self.vectors, *pair)
        return self.rank_cache[pair]


def assemble(fingerprints: Sequence[Fingerprint], resampler: Rereader | None, *, use_dates: bool) -> FamilyState:
    """Read the models of one component side by side, units in one order."""
    samples: list[Sample | None] = (
        [resampler.sample(item) for item in fingerprints] if resampler else [None] * len(fingerprints)
    )
    close = all(sample is not None for sample in samples)
    used = [sample if close and sample else item.sample for sample, item in zip(samples, fingerprints, strict=True)]
    frames, as_stored = [""] * len(fingerprints), used
    if resampler is not None and close:
        used, frames = in_one_order(fingerprints, used, resampler)
    vectors = align(used, [item.dtype for item in fingerprints])
    kept = [fingerprints[place] for place in vectors.members]
    dates = [known_date(item.created_at) if use_dates else "" for item in kept]
    family = FamilyState(kept, vectors, distances(vectors), cosines(vectors), dates, load_scorer(close))
    family.permutation_id = [frames[place] for place in vectors.members]
    if any(family.permutation_id):
        stored = align([as_stored[place] for place in vectors.members], [item.dtype for item in kept])
        family.unpermuted = stored if len(stored.members) == len(kept) else None
    family.frozen_share, family.untrained_rows, family.log_distance_by_part = (
        untouched(vectors),
        unmet(vectors),
        distances_by_part(vectors),
    )
    family.precedence_by_weights = directions(vectors, family.sq_distance, family.scorer.precedence)
    return with_dates(family, dates)


def duplicate_sort_key(family: FamilyState, row: int) -> tuple[str, int, str, int]:
    """Sorts copies: those without a date first (the Hub's stand-in is for the oldest), then by date, type and order."""
    return family.dates[row], -DTYPE_BITS.get(family.fingerprints[row].dtype, 0), family.permutation_id[row], row


def candidate_parents(family: FamilyState) -> list[int]:
    """Rows that can be parents: originals that are not quantized."""
    return [
        row
        for row in range(len(family.fingerprints))
        if family.duplicate_of[row] == row and not is_quantized(family, row)
    ]


def is_quantized(family: FamilyState, row: int) -> bool:
    """Whether a model is quantized: nothing comes from it."""
    copy = family.copies.get(row)
    return bool(family.quantization[row]) or (copy is not None and copy[1].kind == "quantized")


def permutations_of(family: FamilyState, row: int) -> set[str]:
    """Orders of units that a model and its exact copies come in."""
    return {family.permutation_id[other] for other in exact_duplicates(family, row)}


def exact_duplicates(family: FamilyState, row: int) -> list[int]:
    """Rows that hold the very same weights, the row itself among them."""
    return [other for other, first in enumerate(family.duplicate_of) if first == family.duplicate_of[row]]


def known_parents(family: FamilyState, row: int) -> list[int]:
    """Parents that a row is known to have, the nearest first."""
    if row in family.copies:
        return [family.copies[row][0]]
    if row in family.merges:
        return sorted(family.merges[row].parents, key=lambda parent: family.sq_distance[row, parent])
    return []


def with_dates(family: FamilyState, dates: list[str]) -> FamilyState:
    """Return a family with other dates: which of two models came first is what the weights say, and what these say."""
    known = np.array([bool(date) for date in dates])
    order = np.unique(np.array(dates), return_inverse=True)[1]
    by_date = np.sign(order[None] - order[:, None]) * LATER_PENALTY
    older = np.asarray(family.precedence_by_weights + np.where(known[:, None] & known[None], by_date, 0.0))
    return replace(family, dates=dates, precedence_log_odds=older)
