"""Which models can be related at all: groups of one architecture, linked where their weights correlate.

Independent models of one architecture and one corpus have uncorrelated weights (the cosine of n elements spreads by
1/√n around zero), relatives do not; so the number of families need not be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.formats.open_model import RUN_LENGTH
from ingest.weights.samples.aligned_samples import SharedPositions, in_vocabulary, shared_positions

LINKED = 0.15
"""Cosine above which two models are relatives: ten standard errors of 4,608 elements."""
NEAR = 0.5
"""Cosine above which one model stands for another while relatives are looked for."""
BLOCK_MODELS = 256

SAME_WORDS = 0.6
"""Cosine of the vocabulary's tensors alone above which two models are relatives."""


def by_architecture(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return indices of fingerprints by architecture, adapters apart, in the order of the first of each."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(fingerprints):
        if not item.adapter:
            found[item.family_key].append(place)
    return list(found.values())


def connected_families(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return connected components of models of one architecture, linked where their weights correlate.

    Not all pairs are compared: a model that no earlier one is NEAR stands for all that are (leader clustering, Hartigan
    1975, chapter 3); then every model is compared with all that stand for others, and is of one component with each
    that it is linked to. Two models are linked by their cosine over all tensors, or by a high one over the vocabulary:
    permuted copies agree in the vocabulary alone, which has too few elements to trust a faint likeness. They stand for
    themselves: what is merged of one of them is like no other.

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
            if max(to_leaders[at].max(initial=0.0), to_block[at, new_leaders].max(initial=0.0)) < NEAR:
                new_leaders.append(at)
        leaders += block[new_leaders].tolist()
        leader_views = [old.with_rows(new, new_leaders) for old, new in zip(leader_views, block_views, strict=True)]
    for start in range(0, count, BLOCK_MODELS):
        block_views = _cosine_views(common, common.values(start, start + BLOCK_MODELS))
        for at, other in np.argwhere(_max_cosine(block_views, leader_views) > LINKED).tolist():
            _join(roots, start + at, leaders[other])
    return _components(fingerprints, common.members, [_root(roots, row) for row in range(count)])


def affected_families(fingerprints: Sequence[Fingerprint], new: Collection[str]) -> list[Fingerprint]:
    """Return models that come to others, and all of the families that they come into: what has to be charted then.

    A family is followed from link to link, so that nothing else is compared. An adapter may belong anywhere: where one
    is among the new, everything is returned.

    Args:
        fingerprints: All models, the new among them.
        new: Ids of the new.
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
    """Return the rows that links lead to from some, themselves included."""
    common = shared_positions([item.sample for item in fingerprints])
    place = {member: row for row, member in enumerate(common.members)}
    reached = np.zeros(len(common.members), bool)
    frontier = [place[row] for row in start if row in place]
    while frontier:
        reached[frontier] = True
        ours = _cosine_views(common, np.concatenate([common.values(row, row + 1) for row in frontier]))
        linked = np.zeros(len(reached), bool)
        # A block after the other: a copy of all samples at once would cost more than the comparison.
        for at in range(0, len(linked), BLOCK_MODELS):
            theirs = _cosine_views(common, common.values(at, at + BLOCK_MODELS))
            linked[at : at + BLOCK_MODELS] = (_max_cosine(ours, theirs) > LINKED).any(0)
        frontier = np.flatnonzero(linked & ~reached).tolist()
    return sorted({*start, *(common.members[row] for row in np.flatnonzero(reached))})


class _CosineView(NamedTuple):
    """What is compared of models, as it lies there: a scaled copy would cost more than the comparison.

    Attributes:
        values: Shape (n, elements).
        scale: One over the length of each, shape (n,).
        least: Cosine below which the view says nothing.
    """

    values: Floats
    scale: Floats
    min_cosine: float

    def with_rows(self, other: _CosineView, rows: list[int]) -> _CosineView:
        """Return the view with some models of another added."""
        if not rows:
            return self
        values = np.concatenate((self.values, other.values[rows]))
        return _CosineView(values, np.concatenate((self.scale, other.scale[rows])), self.min_cosine)


def _cosine_views(common: SharedPositions, values: Floats) -> list[_CosineView]:
    """Return what is compared of values of shape (n, p, 32): all tensors, and the vocabulary's with its own bound."""
    words = in_vocabulary(common.tensor, common.names)
    parts = [(_flatten(values), 0.0)]
    if words.any():
        parts.append((_flatten(values[:, words]), SAME_WORDS))
    return [
        _CosineView(
            part, np.float32(1) / np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), np.float32(1e-30)), least
        )
        for part, least in parts
    ]


def _flatten(values: Floats) -> Floats:
    return values.reshape(len(values), values.shape[1] * RUN_LENGTH)


def _max_cosine(ours: Sequence[_CosineView], theirs: Sequence[_CosineView]) -> Floats:
    """Return how alike models are to others, shape (ours, theirs); a view below its own bound says nothing."""
    cosines = []
    for our, their in zip(ours, theirs, strict=True):
        cosine = (our.values * our.scale[:, None]) @ their.values.T * their.scale
        cosines.append(np.where(cosine > our.min_cosine, cosine, 0.0))
    return np.asarray(np.maximum.reduce(cosines), np.float32)


def _join(roots: Integers, row: int, other: int) -> None:
    """Put two rows into one component."""
    first, second = _root(roots, row), _root(roots, other)
    roots[max(first, second)] = min(first, second)


def _root(roots: Integers, row: int) -> int:
    while roots[row] != row:
        roots[row] = roots[roots[row]]
        row = int(roots[row])
    return row


def _components(fingerprints: Sequence[Fingerprint], members: Sequence[int], roots: Sequence[int]) -> list[list[int]]:
    """Return components of fingerprints; those whose samples cannot be compared are alone."""
    found: dict[int, list[int]] = defaultdict(list)
    for member, root in zip(members, roots, strict=True):
        found[root].append(member)
    alone = [[place] for place in sorted(set(range(len(fingerprints))) - set(members))]
    return sorted([*(sorted(part) for part in found.values()), *alone], key=lambda part: (-len(part), part))
