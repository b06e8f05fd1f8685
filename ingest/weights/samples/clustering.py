"""Families of models: connected components of models of one architecture, linked where their weights correlate.

Models of one architecture that were trained from different initial values have uncorrelated weights. The cosine of n of
their elements has the standard deviation 1/√n around 0. Models with a common ancestor correlate. So the number of
families need not be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.open_model import RUN_LENGTH
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import SharedPositions, in_vocabulary, shared_positions

BLOCK_MODELS = 256
"""Models that are compared at once: bounds the memory."""


def by_architecture(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return indices of fingerprints by architecture, without adapters, in the order of the first of each."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(fingerprints):
        if not item.adapter:
            found[item.family_key].append(place)
    return list(found.values())


def connected_families(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return connected components of models of one architecture, linked where their weights correlate.

    Two models are linked by their cosine over all tensors, or by a high cosine over the vocabulary alone. Permuted
    copies agree in the vocabulary only, which has too few elements for a low threshold.

    Not all pairs are compared. A model becomes a leader where no earlier leader has a cosine of `SAMPLE.leader_cosine`
    with it over all tensors (leader clustering, Hartigan 1975, chapter 3). Then every model is compared with all
    leaders. Leaders are found by all tensors alone, so that permuted copies are leaders themselves: a merge of a
    permuted copy correlates with that copy only.

    Args:
        fingerprints: Models of one architecture.

    Returns:
        Indices of fingerprints, ascending, the largest component first.
    """
    common = shared_positions([item.sample for item in fingerprints])
    count = len(common.members)
    roots = np.arange(count)
    leaders: list[int] = []
    leader_views = _cosine_views(common, common.values(0, 0))
    for start in range(0, count, BLOCK_MODELS):
        block = np.arange(start, min(start + BLOCK_MODELS, count))
        block_views = _cosine_views(common, common.values(start, start + BLOCK_MODELS))
        to_leaders, to_block = (
            _max_cosine(block_views[:1], leader_views[:1]),
            _max_cosine(block_views[:1], block_views[:1]),
        )
        new_leaders: list[int] = []
        for at in range(len(block)):
            if max(to_leaders[at].max(initial=0.0), to_block[at, new_leaders].max(initial=0.0)) < SAMPLE.leader_cosine:
                new_leaders.append(at)
        leaders += block[new_leaders].tolist()
        leader_views = [old.with_rows(new, new_leaders) for old, new in zip(leader_views, block_views, strict=True)]
    for start in range(0, count, BLOCK_MODELS):
        block_views = _cosine_views(common, common.values(start, start + BLOCK_MODELS))
        for at, other in np.argwhere(_max_cosine(block_views, leader_views) > SAMPLE.min_related_cosine).tolist():
            _union(roots, start + at, leaders[other])
    return _components(len(fingerprints), common.members, [_find(roots, row) for row in range(count)])


def affected_families(fingerprints: Sequence[Fingerprint], new: Collection[str]) -> list[Fingerprint]:
    """Return new models and all members of the families that they join: the models that have to be charted again.

    A family is followed along its links, so that no other models are compared. An adapter may belong to any family:
    where one is new, all models are returned.

    Args:
        fingerprints: All models, the new among them.
        new: Ids of the new models.
    """
    if any(item.adapter for item in fingerprints if item.id in new):
        return list(fingerprints)
    found: list[Fingerprint] = []
    for group in by_architecture(fingerprints):
        items = [fingerprints[place] for place in group]
        rows = [row for row, item in enumerate(items) if item.id in new]
        if rows:
            found += [items[row] for row in _reachable(items, rows)]
    return found


def _reachable(fingerprints: Sequence[Fingerprint], start: Sequence[int]) -> list[int]:
    """Return the rows that are connected to some rows by links, these included (breadth-first search)."""
    common = shared_positions([item.sample for item in fingerprints])
    place = {member: row for row, member in enumerate(common.members)}
    reached = np.zeros(len(common.members), bool)
    frontier = [place[row] for row in start if row in place]
    while frontier:
        reached[frontier] = True
        ours = _cosine_views(common, np.concatenate([common.values(row, row + 1) for row in frontier]))
        linked = np.zeros(len(reached), bool)
        # Block by block: a copy of all samples at once would cost more than the comparison.
        for at in range(0, len(linked), BLOCK_MODELS):
            theirs = _cosine_views(common, common.values(at, at + BLOCK_MODELS))
            linked[at : at + BLOCK_MODELS] = (_max_cosine(ours, theirs) > SAMPLE.min_related_cosine).any(0)
        frontier = np.flatnonzero(linked & ~reached).tolist()
    return sorted({*start, *(common.members[row] for row in np.flatnonzero(reached))})


class _CosineView(NamedTuple):
    """Elements of models that are compared, unscaled: a scaled copy would cost more than the comparison.

    Attributes:
        values: Shape (n, elements).
        scale: 1 over the length of each row, shape (n,).
        min_cosine: Cosine below which the view counts as uncorrelated.
    """

    values: Floats
    scale: Floats
    min_cosine: float

    def with_rows(self, other: _CosineView, rows: list[int]) -> _CosineView:
        """Return the view with some rows of another view appended."""
        if not rows:
            return self
        values = np.concatenate((self.values, other.values[rows]))
        return _CosineView(values, np.concatenate((self.scale, other.scale[rows])), self.min_cosine)


def _cosine_views(common: SharedPositions, values: Floats) -> list[_CosineView]:
    """Return views of all tensors and, where there is one, of the vocabulary with its own least cosine.

    Args:
        common: The shared positions.
        values: Elements of n models, shape (n, p, 32).
    """
    vocabulary = in_vocabulary(common.tensor, common.names)
    parts = [(_flatten(values), 0.0)]
    if vocabulary.any():
        parts.append((_flatten(values[:, vocabulary]), SAMPLE.min_vocabulary_cosine))
    return [
        _CosineView(
            part, np.float32(1) / np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), np.float32(1e-30)), least
        )
        for part, least in parts
    ]


def _flatten(values: Floats) -> Floats:
    return values.reshape(len(values), values.shape[1] * RUN_LENGTH)


def _max_cosine(ours: Sequence[_CosineView], theirs: Sequence[_CosineView]) -> Floats:
    """Return the greatest cosine over the views, each 0 below its least cosine, shape (ours, theirs)."""
    cosines = []
    for our, their in zip(ours, theirs, strict=True):
        cosine = (our.values * our.scale[:, None]) @ their.values.T * their.scale
        cosines.append(np.where(cosine > our.min_cosine, cosine, 0.0))
    return np.asarray(np.maximum.reduce(cosines), np.float32)


def _union(roots: Integers, row: int, other: int) -> None:
    """Join the components of two rows (union-find, Tarjan 1975; scipy is no dependency of the core install)."""
    first, second = _find(roots, row), _find(roots, other)
    roots[max(first, second)] = min(first, second)


def _find(roots: Integers, row: int) -> int:
    """Return the root of a row's component, halving the path to it."""
    while roots[row] != row:
        roots[row] = roots[roots[row]]
        row = int(roots[row])
    return row


def _components(count: int, members: Sequence[int], roots: Sequence[int]) -> list[list[int]]:
    """Return components, the largest first; models whose samples cannot be compared are alone.

    Args:
        count: Number of models.
        members: Index of each compared model.
        roots: Root of each compared model's component.
    """
    components: dict[int, list[int]] = defaultdict(list)
    for member, root in zip(members, roots, strict=True):
        components[root].append(member)
    alone = [[place] for place in sorted(set(range(count)) - set(members))]
    return sorted([*(sorted(part) for part in components.values()), *alone], key=lambda part: (-len(part), part))
