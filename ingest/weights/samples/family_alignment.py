"""Permutation alignment of a family: all models with their units in one order.

A permutation of hidden units leaves the embeddings as they are. So a model is permuted where its vocabulary correlates
with the family and its other tensors do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.formats.tensor_names import is_vocabulary
from ingest.weights.fingerprints.fingerprint import Fingerprint, Sample
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import Vectors, align, cosines, in_vocabulary, sq_distances
from ingest.weights.samples.permutation_matching import (
    Permutation,
    agreement,
    compose,
    is_permuted,
    permutation_id,
    same_permutation,
)
from ingest.weights.samples.resample import Resampler


def align_family(
    fingerprints: Sequence[Fingerprint], samples: Sequence[Sample], resampler: Resampler
) -> tuple[list[Sample], list[str]]:
    """Return the samples of a family with all units in one order.

    1. Each permuted model is matched to the medoid, the model with the greatest sum of cosines.
    2. It is then matched to the nearest model that is not permuted: after long training, units match better there.
    3. Models whose permutations agree in most units get one common permutation.
    4. Last, a permuted model with exactly the vocabulary of another permuted model is matched to that model, and both
       get the same permutation. A merge of two orders has no order of its own; alone, its copy would get another.

    Args:
        fingerprints: The models.
        samples: Their samples.
        resampler: Reads their weights again.

    Returns:
        The aligned samples; and the id of the permutation that was undone in each, empty where there was none.
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
    """Models of a family while they are aligned.

    Attributes:
        fingerprints: The models.
        samples: Their samples, aligned as far as `permutations` goes.
        resampler: Reads their weights again.
        permutations: Permutation that was applied, by row.
    """

    fingerprints: list[Fingerprint]
    samples: list[Sample]
    resampler: Resampler
    permutations: dict[int, Permutation] = field(default_factory=dict)

    def align_to(self, row: int, reference: int) -> None:
        """Match a model's units to a reference, and apply the reference's own permutation, too.

        The model stays as it is where its units do not match, or are in that order already.
        """
        permutation = self.resampler.match_units(self.fingerprints[row], self.fingerprints[reference])
        if permutation is not None and reference in self.permutations:
            permutation = compose(permutation, self.permutations[reference])
        if permutation is not None and is_permuted(permutation):
            self.apply(row, permutation)

    def apply(self, row: int, permutation: Permutation) -> None:
        """Read a model's sample again with permuted units."""
        sample = self.resampler.sample(self.fingerprints[row], permutation)
        if sample is not None:
            self.permutations[row], self.samples[row] = permutation, sample


def _permuted_models(vectors: Vectors) -> tuple[int, list[int]]:
    """Return the medoid, and the models that correlate with it in the vocabulary alone."""
    vocabulary_names = [name for name in vectors.names if is_vocabulary(name)]
    body = cosines(vectors, [name for name in vectors.names if not is_vocabulary(name)])
    vocabulary = cosines(vectors, vocabulary_names) if vocabulary_names else np.zeros_like(body)
    medoid = int(np.argmax(np.maximum(body, 0).sum(1)))
    related = vocabulary[:, medoid] > SAMPLE.min_vocabulary_cosine
    permuted = related & (body[:, medoid] < SAMPLE.max_permuted_ratio * vocabulary[:, medoid])
    return medoid, np.flatnonzero(permuted).tolist()


def _equal_vocabularies(vectors: Vectors, permuted: Sequence[int]) -> dict[int, int]:
    """Return the first other model with exactly the same vocabulary, by permuted model that has one."""
    vocabulary = vectors.values[:, in_vocabulary(vectors.tensor, vectors.names)]
    first: dict[bytes, int] = {}
    found = {}
    for row in sorted(range(len(vocabulary)), key=lambda row: (row in permuted, row)):
        leader = first.setdefault(vocabulary[row].tobytes(), row)
        if leader != row and row in permuted:
            found[row] = leader
    return found


def _same_permutations(permutations: Mapping[int, Permutation]) -> list[tuple[Permutation, list[int]]]:
    """Return groups of equal permutations: the one that agrees most with the others, and the rows of the group."""
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
    """Return the nearest model that is not permuted, by model that was aligned.

    Args:
        family: The family.
        deferred: Permuted models that are not aligned yet.
    """
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
