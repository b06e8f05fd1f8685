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
from ingest.weights.formats.open_model import RUN
from ingest.weights.samples.aligned_samples import SharedPositions, in_vocabulary, shared_positions

LINKED = 0.15
"""Cosine above which two models are relatives: ten standard errors of 4,608 elements."""
NEAR = 0.5
"""Cosine above which one model stands for another while relatives are looked for."""
BLOCK = 256

SAME_WORDS = 0.6
"""Cosine of the vocabulary's tensors alone above which two models are relatives."""


def by_architecture(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return indices of fingerprints by architecture, adapters apart, in the order of the first of each."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(prints):
        if not item.adapter:
            found[item.family_key].append(place)
    return list(found.values())


def connected_families(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return connected components of models of one architecture, linked where their weights correlate.

    Not all pairs are compared: a model that no earlier one is NEAR stands for all that are (leader clustering, Hartigan
    1975, chapter 3); then every model is compared with all that stand for others, and is of one component with each
    that it is linked to. Two models are linked by their cosine over all tensors, or by a high one over the vocabulary:
    permuted copies agree in the vocabulary alone, which has too few elements to trust a faint likeness. They stand for
    themselves: what is merged of one of them is like no other.

    Returns:
        Indices of fingerprints, ascending, the largest component first.
    """
    common = shared_positions([item.sample for item in prints])
    count = len(common.members)
    roots = np.arange(count)
    leaders: list[int] = []
    theirs = _views(common, common.values(0, 0))
    for start in range(0, count, BLOCK):
        block = np.arange(start, min(start + BLOCK, count))
        ours = _views(common, common.values(start, start + BLOCK))
        near, within = _max_cosine(ours[:1], theirs[:1]), _max_cosine(ours[:1], ours[:1])
        fresh: list[int] = []
        for at in range(len(block)):
            if max(near[at].max(initial=0.0), within[at, fresh].max(initial=0.0)) < NEAR:
                fresh.append(at)
        leaders += block[fresh].tolist()
        theirs = [old.joined(new, fresh) for old, new in zip(theirs, ours, strict=True)]
    for start in range(0, count, BLOCK):
        ours = _views(common, common.values(start, start + BLOCK))
        for at, other in np.argwhere(_max_cosine(ours, theirs) > LINKED).tolist():
            _join(roots, start + at, leaders[other])
    return _components(prints, common.members, [_root(roots, row) for row in range(count)])


def affected_families(prints: Sequence[Fingerprint], new: Collection[str]) -> list[Fingerprint]:
    """Return models that come to others, and all of the families that they come into: what has to be charted then.

    A family is followed from link to link, so that nothing else is compared. An adapter may belong anywhere: where one
    is among the new, everything is returned.

    Args:
        prints: All models, the new among them.
        new: Ids of the new.
    """
    if any(item.adapter for item in prints if item.id in new):
        return list(prints)
    found: list[Fingerprint] = []
    for group in by_architecture(prints):
        items = [prints[place] for place in group]
        rows = [row for row, item in enumerate(items) if item.id in new]
        if rows:
            found += [items[row] for row in _followed(items, rows)]
    return found


def _followed(prints: Sequence[Fingerprint], start: Sequence[int]) -> list[int]:
    """Return the rows that links lead to from some, themselves included."""
    common = shared_positions([item.sample for item in prints])
    place = {member: row for row, member in enumerate(common.members)}
    reached = np.zeros(len(common.members), bool)
    frontier = [place[row] for row in start if row in place]
    while frontier:
        reached[frontier] = True
        ours = _views(common, np.concatenate([common.values(row, row + 1) for row in frontier]))
        near = np.zeros(len(reached), bool)
        # A block after the other: a copy of all samples at once would cost more than the comparison.
        for at in range(0, len(near), BLOCK):
            theirs = _views(common, common.values(at, at + BLOCK))
            near[at : at + BLOCK] = (_max_cosine(ours, theirs) > LINKED).any(0)
        frontier = np.flatnonzero(near & ~reached).tolist()
    return sorted({*start, *(common.members[row] for row in np.flatnonzero(reached))})


class _View(NamedTuple):
    """What is compared of models, as it lies there: a scaled copy would cost more than the comparison.

    Attributes:
        values: Shape (n, elements).
        scale: One over the length of each, shape (n,).
        least: Cosine below which the view says nothing.
    """

    values: Floats
    scale: Floats
    least: float

    def joined(self, other: _View, rows: list[int]) -> _View:
        """Return the view with some models of another added."""
        if not rows:
            return self
        values = np.concatenate((self.values, other.values[rows]))
        return _View(values, np.concatenate((self.scale, other.scale[rows])), self.least)


def _views(common: SharedPositions, values: Floats) -> list[_View]:
    """Return what is compared of values of shape (n, p, 32): all tensors, and the vocabulary's with its own bound."""
    words = in_vocabulary(common.tensor, common.names)
    parts = [(_flat(values), 0.0)]
    if words.any():
        parts.append((_flat(values[:, words]), SAME_WORDS))
    return [
        _View(part, np.float32(1) / np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), np.float32(1e-30)), least)
        for part, least in parts
    ]


def _flat(values: Floats) -> Floats:
    return values.reshape(len(values), values.shape[1] * RUN)


def _max_cosine(ours: Sequence[_View], theirs: Sequence[_View]) -> Floats:
    """Return how alike models are to others, shape (ours, theirs); a view below its own bound says nothing."""
    cosines = []
    for our, their in zip(ours, theirs, strict=True):
        seen = (our.values * our.scale[:, None]) @ their.values.T * their.scale
        cosines.append(np.where(seen > our.least, seen, 0.0))
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


def _components(prints: Sequence[Fingerprint], members: Sequence[int], roots: Sequence[int]) -> list[list[int]]:
    """Return components of fingerprints; those whose samples cannot be compared are alone."""
    found: dict[int, list[int]] = defaultdict(list)
    for member, root in zip(members, roots, strict=True):
        found[root].append(member)
    alone = [[place] for place in sorted(set(range(len(prints))) - set(members))]
    return sorted([*(sorted(part) for part in found.values()), *alone], key=lambda part: (-len(part), part))
