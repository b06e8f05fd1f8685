"""A family before its tree is built: aligned samples, pairwise tests, exact relations. Each is an immutable result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from atlas_db.core.arrays import Bytes, Doubles, Flags, Floats, Integers
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample
from ingest.weights.merges.merge import Merge, MergeProblem
from ingest.weights.pairwise.direction import precedence_by_weights
from ingest.weights.pairwise.frozen_tensors import frozen_share
from ingest.weights.pairwise.low_rank_delta import difference_rank
from ingest.weights.pairwise.quantization_grid import CopyMatch
from ingest.weights.pairwise.untrained_embeddings import untrained_rows
from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.samples.aligned_samples import (
    FLOAT8_DTYPES,
    Vectors,
    align,
    cosines,
    log_distances_by_part,
    sq_distances,
)
from ingest.weights.samples.family_alignment import align_family
from ingest.weights.samples.model_families import shape_of
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import known_date
from ingest.weights.tree.scorer import ParentScorer, load_scorer

DTYPE_BITS = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16} | dict.fromkeys(FLOAT8_DTYPES, 8)
"""Width of the types that models are trained in; others count as none."""


@dataclass(slots=True)
class MeasuredOnce:
    """What was measured of a family on demand, and depends on no date: the family is charted with other dates, too.

    Attributes:
        grids: Quantization grid of each model, empty where it has none.
        copies: How well models explain a model as its copy, by the model and those that were tested.
        problems: The family as input of merge search, with units aligned and, where any were permuted, as stored.
        steps: How much models contain of steps, as in `IncrementalTree`.
    """

    grids: list[str] = field(default_factory=list)
    copies: dict[tuple[int, ...], list[tuple[int, CopyMatch]]] = field(default_factory=dict)
    problems: list[MergeProblem] = field(default_factory=list)
    steps: dict[tuple[int, int], Doubles | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FamilySamples:
    """The n models of one family and their samples, with units in one order. Row i of every field is model i.

    Attributes:
        fingerprints: Fingerprint of each model.
        dates: Date of each model, empty where it is not known or not to be used.
        vectors: Aligned samples.
        sq_distance: Squared distances, shape (n, n).
        cosine: Cosines, shape (n, n).
        permutation_id: Name of the permutation that was undone in each model, empty where there was none.
        unpermuted: Samples in the order of the files, where any were permuted; otherwise None. Merges are element-wise
            in this order.
        is_resampled: Whether the samples are the large ones, read from weights, and not those of the fingerprints.
        is_child: Which models' parents are looked for, shape (n,); the others may be parents, and are charted roughly.
        width_order: 1 where model i has the tensors of model j with more neurons, -1 where j has more, else 0, shape
            (n, n).
        measured: What was measured of them so far.
    """

    fingerprints: Sequence[Fingerprint]
    dates: Sequence[str]
    vectors: Vectors
    sq_distance: Doubles
    cosine: Doubles
    permutation_id: Sequence[str]
    unpermuted: Vectors | None
    is_resampled: bool
    is_child: Flags
    width_order: Integers
    measured: MeasuredOnce = field(default_factory=MeasuredOnce)


class DifferenceRanks:
    """Ranks of the differences of near models, each computed once, on demand."""

    def __init__(self, vectors: Vectors, is_near: Flags) -> None:
        self._vectors = vectors
        # Infinite where it is not computed yet.
        self._ranks = np.where(is_near, np.inf, np.nan)

    def rank(self, row: int, other: int) -> float:
        """Return the rank of the difference of two models, NaN where it is not low or the two are not near."""
        return float(self.ranks(row, [other])[0])

    def ranks(self, row: int, others: Sequence[int]) -> Doubles:
        """Return the rank of the difference to each of some models, as by `rank`, shape (others,)."""
        found = self._ranks[row, others]
        for place in np.flatnonzero(np.isinf(found)).tolist():
            pair = min(row, others[place]), max(row, others[place])
            found[place] = self._ranks[pair] = self._ranks[pair[::-1]] = difference_rank(self._vectors, *pair)
        return np.asarray(found)


@dataclass(frozen=True, slots=True)
class PairTests:
    """Measurements of all pairs of a family by weights alone.

    Attributes:
        precedence_by_weights: Log-odds that model i came before model j, shape (n, n).
        frozen_share: Share of model i's tensors that model j has unchanged, shape (n, n).
        untrained_rows: Which sampled embedding rows of model i equal those of model j up to a factor, as bits, shape
            (n, n, bytes).
        log_distance_by_part: Logarithm of the distance over each part of the network, shape (n, n, parts).
        is_near: Whether few models are nearer to one of two than the other is, shape (n, n).
        difference_ranks: Ranks of the differences of such pairs.
    """

    precedence_by_weights: Doubles
    frozen_share: Doubles
    untrained_rows: Bytes
    log_distance_by_part: Floats
    is_near: Flags
    difference_ranks: DifferenceRanks


@dataclass(frozen=True, slots=True)
class ExactRelations:
    """Relations that leave no residual beyond rounding.

    Attributes:
        duplicate_of: For each row, the row that represents its set of exact duplicates; itself where it has none.
        quantization: Quantization grid that each row's values lie on, empty where there is none.
        copies: For casts, quantized and pruned copies, the row of the original and how it explains the copy.
        merges: For merges, their inputs and method.
        alternatives: For copies and merges, other rows that may be the original or an input as well.
    """

    duplicate_of: Sequence[int]
    quantization: Sequence[str]
    copies: Mapping[int, tuple[int, CopyMatch]] = field(default_factory=dict)
    merges: Mapping[int, Merge] = field(default_factory=dict)
    alternatives: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def is_quantized(self, row: int) -> bool:
        """Whether a model is quantized; such models are leaves of the tree."""
        copy = self.copies.get(row)
        return bool(self.quantization[row]) or (copy is not None and copy[1].kind == "quantized")

    def candidate_parents(self) -> list[int]:
        """Return the rows that can be parents: one of each set of duplicates, quantized models left out."""
        return [row for row, first in enumerate(self.duplicate_of) if first == row and not self.is_quantized(row)]


@dataclass(frozen=True, slots=True)
class FamilyState:
    """What tree search knows of a family.

    Attributes:
        samples: Models and their aligned samples.
        tests: Measurements of all pairs.
        relations: Duplicates, copies and merges.
        precedence_log_odds: Log-odds that model i came before model j, by weights and dates, shape (n, n).
    """

    samples: FamilySamples
    tests: PairTests
    relations: ExactRelations
    precedence_log_odds: Doubles

    @property
    def scorer(self) -> ParentScorer:
        """The scorer that was fitted on samples of this size."""
        return load_scorer(self.samples.is_resampled)

    def model_id(self, row: int) -> str:
        """Return the id of a model."""
        return self.samples.fingerprints[row].id


def load_samples(
    fingerprints: Sequence[Fingerprint], resampler: Resampler | None, *, use_dates: bool,
    tensors: Collection[str] | None = None, children: Collection[str] | None = None,
) -> FamilySamples:  # fmt: skip
    """Align the samples of one family, with the units of permuted models in one order.

    Args:
        fingerprints: Models of one connected component. Those that share too few positions with the others are left
            out of the result.
        resampler: Reads larger samples from the weights. Without it, or where it lacks a model, the samples of the
            fingerprints are used, and permutations are not undone.
        use_dates: Whether dates count as evidence.
        tensors: Names of the tensors that are compared, all by default.
        children: Ids of the models whose parents are looked for, all by default.
    """
    stored = [item.sample for item in fingerprints]
    resampled = [resampler.sample(item) for item in fingerprints] if resampler else []
    large: list[Sample] = [sample for sample in resampled if sample is not None]
    is_resampled = resampler is not None and len(large) == len(fingerprints)
    if is_resampled:
        stored = large
    if tensors is not None:
        stored = [sample.restricted_to(tensors) for sample in stored]
    aligned, permutations = stored, [""] * len(fingerprints)
    if resampler is not None and is_resampled:
        aligned, permutations = align_family(fingerprints, stored, resampler)
    vectors = align(aligned, [item.dtype for item in fingerprints])
    members = [fingerprints[place] for place in vectors.members]
    permutation_id = [permutations[place] for place in vectors.members]
    unpermuted = None
    if any(permutation_id):
        found = align([stored[place] for place in vectors.members], [item.dtype for item in members])
        unpermuted = found if len(found.members) == len(members) else None
    dates = [known_date(item.created_at) if use_dates else "" for item in members]
    return FamilySamples(
        fingerprints=members,
        dates=dates,
        vectors=vectors,
        sq_distance=sq_distances(vectors),
        cosine=cosines(vectors),
        permutation_id=permutation_id,
        unpermuted=unpermuted,
        is_resampled=is_resampled,
        is_child=np.array([children is None or item.id in children for item in members], bool),
        width_order=_width_order(members),
    )


def run_pair_tests(samples: FamilySamples) -> PairTests:
    """Measure all pairs of a family by weights alone."""
    vectors, sq_distance = samples.vectors, samples.sq_distance
    nearer = np.array([np.searchsorted(np.sort(to_others), to_others) for to_others in sq_distance])
    is_near = (nearer <= TREE.max_rank_neighbours) | (nearer <= TREE.max_rank_neighbours).T
    precedence_weights = load_scorer(samples.is_resampled).precedence
    return PairTests(
        precedence_by_weights=precedence_by_weights(vectors, sq_distance, precedence_weights),
        frozen_share=frozen_share(vectors),
        untrained_rows=untrained_rows(vectors),
        log_distance_by_part=log_distances_by_part(vectors),
        is_near=is_near,
        difference_ranks=DifferenceRanks(vectors, is_near),
    )


def precedence_log_odds(samples: FamilySamples, tests: PairTests, duplicate_of: Sequence[int]) -> Doubles:
    """Return log-odds that model i came before model j, shape (n, n): those by weights, dates and widths.

    Dates add a penalty with its sign. So do widths of two models with the same tensors: the one with more neurons came
    first. Neurons are removed far more often than added. A representative of duplicates that has no
    date existed by the earliest date of the others: they are the same weights.

    Args:
        samples: The family.
        tests: Its pairwise tests.
        duplicate_of: Representative of each row's duplicates.
    """
    dates = samples.dates
    is_known = np.array([bool(date) for date in dates])
    order = np.unique(np.array(dates), return_inverse=True)[1]
    by_dates = np.sign(order[None] - order[:, None]) * TREE.date_penalty
    log_odds = np.asarray(tests.precedence_by_weights + np.where(is_known[:, None] & is_known[None], by_dates, 0.0))
    log_odds += TREE.width_log_odds * samples.width_order
    duplicates: dict[int, list[int]] = defaultdict(list)
    for row, first in enumerate(duplicate_of):
        duplicates[first].append(row)
    for first, rows in duplicates.items():
        earliest = min((dates[row] for row in rows if dates[row]), default="")
        if not dates[first] and earliest:
            is_later = np.array([date > earliest for date in dates])
            log_odds[first, is_later] += TREE.date_penalty
            log_odds[is_later, first] -= TREE.date_penalty
    return log_odds


def _width_order(fingerprints: Sequence[Fingerprint]) -> Integers:
    """Return `FamilySamples.width_order`."""
    shapes = [shape_of(item) for item in fingerprints]
    sides = np.unique([shape.family_key for shape in shapes], return_inverse=True)[1]
    by_names: dict[frozenset[str], int] = {}
    tensors = np.array([by_names.setdefault(shape.tensors, len(by_names)) for shape in shapes], np.int64)
    elements = np.array([item.elements for item in fingerprints], np.int64)
    differ = (sides[:, None] != sides) & (tensors[:, None] == tensors)
    return np.asarray(np.sign(elements[:, None] - elements) * differ)


def exact_duplicates(duplicate_of: Sequence[int], row: int) -> list[int]:
    """Return the rows with exactly the same weights, the row itself included."""
    return [other for other, first in enumerate(duplicate_of) if first == duplicate_of[row]]


def duplicate_sort_key(samples: FamilySamples, row: int) -> tuple[bool, str, int, str, int]:
    """Sort key of duplicates: not narrower, then no date, then by date, widest type, permutation and row.

    Models of other widths are equal where neurons were removed from one of them.

    The Hub's stand-in for unknown dates belongs to its oldest models.
    """
    bits = DTYPE_BITS.get(samples.fingerprints[row].dtype, 0)
    return bool((samples.width_order[row] < 0).any()), samples.dates[row], -bits, samples.permutation_id[row], row


def permutations_of(family: FamilyState, row: int) -> set[str]:
    """Return the permutations of a model and its exact duplicates."""
    return {family.samples.permutation_id[other] for other in exact_duplicates(family.relations.duplicate_of, row)}


def known_parents(family: FamilyState, row: int) -> list[int]:
    """Return the parents that exact relations give a row, the nearest first; none where there is no such relation."""
    if row in family.relations.copies:
        return [family.relations.copies[row][0]]
    if row in family.relations.merges:
        parents = family.relations.merges[row].parents
        return sorted(parents, key=lambda parent: family.samples.sq_distance[row, parent])
    return []
