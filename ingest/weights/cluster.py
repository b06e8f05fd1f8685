"""Which models can be related at all: groups of one architecture, linked where their weights correlate.

Independent models of one architecture and one corpus have uncorrelated weights (the cosine of n elements spreads by
1/√n around zero), relatives do not; so the number of families need not be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingest.weights.family import Vectors, align
from ingest.weights.fingerprint import Fingerprint
from ingest.weights.names import is_vocabulary
from ingest.weights.safetensors import Floats

Integers = npt.NDArray[np.int64]

LINKED = 0.15
"""Cosine above which two models are relatives: ten standard errors of 4,608 elements."""
NEAR = 0.5
"""Cosine above which one model stands for another while relatives are looked for."""
BLOCK = 256

SAME_WORDS = 0.6
"""Cosine of the vocabulary's tensors alone above which two models are relatives."""


def groups(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return indices of fingerprints by architecture, adapters apart, in the order of the first of each."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(prints):
        if not item.adapter:
            found[item.family_key].append(place)
    return list(found.values())


def relatives(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return connected components of models of one architecture, linked where their weights correlate.

    Not all pairs are compared: a model that no earlier one is NEAR stands for all that are (leader clustering, Hartigan
    1975, chapter 3), every model is compared with those that stand for others, and is of one component with each that
    it is linked to. Two models are linked by their cosine over all tensors, or by a high one over the vocabulary's:
    permuted copies agree in the vocabulary alone, which has too few elements to trust a faint likeness.

    Returns:
        Indices of fingerprints, ascending, the largest component first.
    """
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    views = _views(vectors)
    count = len(vectors.members)
    roots = np.arange(count)
    leaders: list[int] = []
    for start in range(0, count, BLOCK):
        block = np.arange(start, min(start + BLOCK, count))
        alike = _alike(views, block, leaders)
        within = _alike(views, block, block)
        fresh: list[int] = []
        for at, row in enumerate(block):
            new = within[at, fresh]
            linked = [leaders[other] for other in np.flatnonzero(alike[at] > LINKED)]
            linked += [int(block[fresh[other]]) for other in np.flatnonzero(new > LINKED)]
            _join(roots, int(row), linked)
            if max(alike[at].max(initial=0.0), new.max(initial=0.0)) < NEAR:
                fresh.append(at)
        leaders += block[fresh].tolist()
    return _components(prints, vectors.members, [_root(roots, row) for row in range(count)])


def around(prints: Sequence[Fingerprint], new: Collection[str]) -> list[Fingerprint]:
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
    for group in groups(prints):
        items = [prints[place] for place in group]
        rows = [row for row, item in enumerate(items) if item.id in new]
        if rows:
            found += [items[row] for row in _followed(items, rows)]
    return found


def _followed(prints: Sequence[Fingerprint], start: Sequence[int]) -> list[int]:
    """Return the rows that links lead to from some, themselves included."""
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    views = _views(vectors)
    place = {member: row for row, member in enumerate(vectors.members)}
    reached = np.zeros(len(vectors.members), bool)
    frontier = np.array([place[row] for row in start if row in place], np.int64)
    while len(frontier):
        reached[frontier] = True
        near = np.zeros(len(reached), bool)
        for at in range(0, len(frontier), BLOCK):
            near |= (_alike(views, frontier[at : at + BLOCK], slice(None)) > LINKED).any(0)
        frontier = np.flatnonzero(near & ~reached)
    return sorted({*start, *(vectors.members[row] for row in np.flatnonzero(reached))})


class _View(NamedTuple):
    """What is compared of models, as it lies there: a copy of all samples, scaled, would cost more than the comparison.

    Attributes:
        values: Shape (n, elements).
        scale: One over the length of each, shape (n,).
        least: Cosine below which the view says nothing.
    """

    values: Floats
    scale: Floats
    least: float


def _views(vectors: Vectors) -> list[_View]:
    """Return what is compared: all tensors, and the vocabulary's alone with its own bound."""
    words = np.isin(vectors.tensor, [at for at, name in enumerate(vectors.names) if is_vocabulary(name)])
    parts = [(vectors.flat, 0.0)]
    if words.any():
        parts.append((vectors.values[:, words].reshape(len(vectors.values), -1), SAME_WORDS))
    return [
        _View(part, np.float32(1) / np.maximum(np.sqrt(np.einsum("ij,ij->i", part, part)), np.float32(1e-30)), least)
        for part, least in parts
    ]


def _alike(views: Sequence[_View], rows: Integers, others: Integers | list[int] | slice) -> Floats:
    """Return how alike rows are to others; a view below its own bound says nothing."""
    cosines = []
    for values, scale, least in views:
        seen = (values[rows] * scale[rows, None]) @ values[others].T * scale[others]
        cosines.append(np.where(seen > least, seen, 0.0))
    return np.asarray(np.maximum.reduce(cosines), np.float32)


def _join(roots: Integers, row: int, others: Sequence[int]) -> None:
    """Put rows into one component."""
    for other in others:
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
