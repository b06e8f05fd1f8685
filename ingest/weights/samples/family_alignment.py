"""Units of all models of a family in one order: what agrees with the rest in the vocabulary alone is put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample
from ingest.weights.formats.tensor_names import is_vocabulary
from ingest.weights.samples.aligned_samples import Vectors, align, cosines, in_vocabulary, sq_distances
from ingest.weights.samples.clustering import SAME_WORDS
from ingest.weights.samples.permutation_matching import (
    Permutation,
    agreement,
    compose,
    is_permuted,
    permutation_id,
    same_permutation,
)
from ingest.weights.samples.resample import Resampler

SHUFFLED = 0.9
"""Cosine of the rest over that of the vocabulary, below which units are in another order."""


def align_family(
    fingerprints: Sequence[Fingerprint], samples: Sequence[Sample], resampler: Resampler
) -> tuple[list[Sample], list[str]]:
    """Put units in the order of the model in the middle, then of the nearest: what drifted far finds its own there.

    Models that are found in one order, but for some units, are put back by one. What has the very same vocabulary as
    another model in another order is matched to that one, and goes where it goes: what is merged of two orders has none
    of its own, and its copy, matched by itself, would get a different one.

    Args:
        fingerprints: Of the models.
        samples: Of the models.
        resampler: Looks at the weights again.

    Returns:
        The samples; and the name of the permutation that was undone in each, empty where there was none.
    """
    vectors = align(samples, [item.dtype for item in fingerprints])
    aligned, permutation_ids = list(samples), [""] * len(fingerprints)
    medoid, permuted = _permuted_models(vectors) if len(vectors.members) > 1 else (0, [])
    if not permuted:
        return aligned, permutation_ids
    family = _Alignment(
        [fingerprints[place] for place in vectors.members], [samples[place] for place in vectors.members], resampler
    )
    equal_vocabulary = _equal_vocabularies(vectors, permuted)
    references = {row: equal_vocabulary.get(row, medoid) for row in permuted}
    deferred = [row for row in permuted if references[row] in references]
    for row in (row for row in permuted if row not in deferred):
        family.align_to(row, references[row])
    for row, near in _nearest_unpermuted(family, deferred).items():
        if near != references[row]:
            family.align_to(row, near)
    for order, rows in _same_permutations(family.permutations):
        for row in (row for row in rows if family.permutations[row] is not order):
            family.apply(row, order)
    for row in deferred:
        family.align_to(row, references[row])
    for order, rows in _same_permutations(family.permutations):
        for row in rows:
            aligned[vectors.members[row]], permutation_ids[vectors.members[row]] = (
                family.samples[row],
                permutation_id(order),
            )
    return aligned, permutation_ids


@dataclass(slots=True)
class _Alignment:
    """Models while they are put in order.

    Attributes:
        prints: Of the models.
        samples: Of the models, as far as they were put in order.
        read: Looks at the weights again.
        orders: What each that was moved was put in.
    """

    fingerprints: list[Fingerprint]
    samples: list[Sample]
    resampler: Resampler
    permutations: dict[int, Permutation] = field(default_factory=dict)

    def align_to(self, row: int, reference: int) -> None:
        """Put a model's units where another has them, and with these where they were put; or leave them alone."""
        permutation = self.resampler.match_units(self.fingerprints[row], self.fingerprints[reference])
        if permutation is not None and reference in self.permutations:
            permutation = compose(permutation, self.permutations[reference])
        if permutation is not None and is_permuted(permutation):
            self.apply(row, permutation)

    def apply(self, row: int, permutation: Permutation) -> None:
        """Put a model's units in an order."""
        sample = self.resampler.sample(self.fingerprints[row], permutation)
        if sample is not None:
            self.permutations[row], self.samples[row] = permutation, sample


def _permuted_models(vectors: Vectors) -> tuple[int, list[int]]:
    """Return the model in the middle, and those that agree with it in the vocabulary alone."""
    vocabulary_names = [name for name in vectors.names if is_vocabulary(name)]
    body = cosines(vectors, [name for name in vectors.names if not is_vocabulary(name)])
    vocabulary = cosines(vectors, vocabulary_names) if vocabulary_names else np.zeros_like(body)
    medoid = int(np.argmax(np.maximum(body, 0).sum(1)))
    permuted = (vocabulary[:, medoid] > SAME_WORDS) & (body[:, medoid] < SHUFFLED * vocabulary[:, medoid])
    return medoid, np.flatnonzero(permuted).tolist()


def _equal_vocabularies(vectors: Vectors, permuted: Sequence[int]) -> dict[int, int]:
    """Return for each shuffled model the first other one whose vocabulary is the very same, where there is one."""
    vocabulary = vectors.values[:, in_vocabulary(vectors.tensor, vectors.names)]
    first: dict[bytes, int] = {}
    found = {}
    for row in sorted(range(len(vocabulary)), key=lambda row: (row in permuted, row)):
        leader = first.setdefault(vocabulary[row].tobytes(), row)
        if leader != row and row in permuted:
            found[row] = leader
    return found


def _same_permutations(permutations: Mapping[int, Permutation]) -> list[tuple[Permutation, list[int]]]:
    """Return orders that are one together, each with its rows: the one that has most units where the others do."""
    groups: list[list[int]] = []
    for row in sorted(permutations):
        group = next((group for group in groups if same_permutation(permutations[group[0]], permutations[row])), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    found = []
    for rows in groups:
        shared = [sum(agreement(permutations[row], permutations[other]) for other in rows) for row in rows]
        found.append((permutations[rows[int(np.argmax(shared))]], rows))
    return found


def _nearest_unpermuted(family: _Alignment, deferred: Sequence[int]) -> dict[int, int]:
    """Return for each model that was moved the nearest that was not, those left out that are still to be moved."""
    if not family.permutations:
        return {}
    vectors = align(family.samples, [item.dtype for item in family.fingerprints])
    if len(vectors.members) < len(family.fingerprints):
        return {}
    squared = sq_distances(vectors)
    unpermuted = np.array(
        [row for row in range(len(squared)) if row not in family.permutations and row not in deferred]
    )
    found = {row: int(unpermuted[np.argmin(squared[row, unpermuted])]) for row in family.permutations}
    return {row: near for row, near in found.items() if squared[row, near] > 0}
