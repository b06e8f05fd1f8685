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
    prints: Sequence[Fingerprint], samples: Sequence[Sample], read: Resampler
) -> tuple[list[Sample], list[str]]:
    """Put units in the order of the model in the middle, then of the nearest: what drifted far finds its own there.

    Models that are found in one order, but for some units, are put back by one. What has the very same vocabulary as
    another model in another order is matched to that one, and goes where it goes: what is merged of two orders has none
    of its own, and its copy, matched by itself, would get a different one.

    Args:
        prints: Of the models.
        samples: Of the models.
        read: Looks at the weights again.

    Returns:
        The samples; and the name of the permutation that was undone in each, empty where there was none.
    """
    vectors = align(samples, [item.dtype for item in prints])
    put, frames = list(samples), [""] * len(prints)
    middle, shuffled = _permuted_models(vectors) if len(vectors.members) > 1 else (0, [])
    if not shuffled:
        return put, frames
    family = _Alignment(
        [prints[place] for place in vectors.members], [samples[place] for place in vectors.members], read
    )
    leaders = _leaders(vectors, shuffled)
    first = {row: leaders.get(row, middle) for row in shuffled}
    led = [row for row in shuffled if first[row] in first]
    for row in (row for row in shuffled if row not in led):
        family.move(row, first[row])
    for row, near in _nearest(family, led).items():
        if near != first[row]:
            family.move(row, near)
    for order, rows in _same_permutations(family.orders):
        for row in (row for row in rows if family.orders[row] is not order):
            family.put(row, order)
    for row in led:
        family.move(row, first[row])
    for order, rows in _same_permutations(family.orders):
        for row in rows:
            put[vectors.members[row]], frames[vectors.members[row]] = family.samples[row], permutation_id(order)
    return put, frames


@dataclass(slots=True)
class _Alignment:
    """Models while they are put in order.

    Attributes:
        prints: Of the models.
        samples: Of the models, as far as they were put in order.
        read: Looks at the weights again.
        orders: What each that was moved was put in.
    """

    prints: list[Fingerprint]
    samples: list[Sample]
    read: Resampler
    orders: dict[int, Permutation] = field(default_factory=dict)

    def move(self, row: int, like: int) -> None:
        """Put a model's units where another has them, and with these where they were put; or leave them alone."""
        order = self.read.match_units(self.prints[row], self.prints[like])
        if order is not None and like in self.orders:
            order = compose(order, self.orders[like])
        if order is not None and is_permuted(order):
            self.put(row, order)

    def put(self, row: int, order: Permutation) -> None:
        """Put a model's units in an order."""
        sample = self.read.sample(self.prints[row], order)
        if sample is not None:
            self.orders[row], self.samples[row] = order, sample


def _permuted_models(vectors: Vectors) -> tuple[int, list[int]]:
    """Return the model in the middle, and those that agree with it in the vocabulary alone."""
    words = [name for name in vectors.names if is_vocabulary(name)]
    body = cosines(vectors, [name for name in vectors.names if not is_vocabulary(name)])
    vocabulary = cosines(vectors, words) if words else np.zeros_like(body)
    middle = int(np.argmax(np.maximum(body, 0).sum(1)))
    shuffled = (vocabulary[:, middle] > SAME_WORDS) & (body[:, middle] < SHUFFLED * vocabulary[:, middle])
    return middle, np.flatnonzero(shuffled).tolist()


def _leaders(vectors: Vectors, shuffled: Sequence[int]) -> dict[int, int]:
    """Return for each shuffled model the first other one whose vocabulary is the very same, where there is one."""
    words = vectors.values[:, in_vocabulary(vectors.tensor, vectors.names)]
    first: dict[bytes, int] = {}
    found = {}
    for row in sorted(range(len(words)), key=lambda row: (row in shuffled, row)):
        leader = first.setdefault(words[row].tobytes(), row)
        if leader != row and row in shuffled:
            found[row] = leader
    return found


def _same_permutations(orders: Mapping[int, Permutation]) -> list[tuple[Permutation, list[int]]]:
    """Return orders that are one together, each with its rows: the one that has most units where the others do."""
    groups: list[list[int]] = []
    for row in sorted(orders):
        group = next((group for group in groups if same_permutation(orders[group[0]], orders[row])), None)
        if group is None:
            groups.append([row])
        else:
            group.append(row)
    found = []
    for rows in groups:
        shared = [sum(agreement(orders[row], orders[other]) for other in rows) for row in rows]
        found.append((orders[rows[int(np.argmax(shared))]], rows))
    return found


def _nearest(family: _Alignment, left: Sequence[int]) -> dict[int, int]:
    """Return for each model that was moved the nearest that was not, those left out that are still to be moved."""
    if not family.orders:
        return {}
    vectors = align(family.samples, [item.dtype for item in family.prints])
    if len(vectors.members) < len(family.prints):
        return {}
    away = sq_distances(vectors)
    rest = np.array([row for row in range(len(away)) if row not in family.orders and row not in left])
    found = {row: int(rest[np.argmin(away[row, rest])]) for row in family.orders}
    return {row: near for row, near in found.items() if away[row, near] > 0}
