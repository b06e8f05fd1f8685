"""Which models can be related at all: groups of one architecture, linked where their weights correlate.

Independent models of one architecture and one corpus have uncorrelated weights (the cosine of n elements spreads by
1/√n around zero), relatives do not; so the number of families need not be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ingest.weights.family import Doubles, align, cosines
from ingest.weights.fingerprint import Fingerprint
from ingest.weights.names import is_vocabulary

LINKED = 0.15
"""Cosine above which two models are relatives: ten standard errors of 4,608 elements."""

SAME_WORDS = 0.6
"""Cosine of the vocabulary's tensors alone above which two models are relatives."""


def groups(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return indices of fingerprints by architecture, adapters apart, in the order of the first of each."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(prints):
        if not item.adapter:
            found[item.family_key].append(place)
    return list(found.values())


def linked(prints: Sequence[Fingerprint]) -> Doubles:
    """Return how alike models of one architecture are: cosines over all tensors, or a high one over the vocabulary's.

    Permuted copies agree in the vocabulary alone, which has too few elements to trust a faint likeness.

    Returns:
        Shape (n, n); zero where samples cannot be compared.
    """
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    out = np.zeros((len(prints), len(prints)))
    if not vectors.members:
        return out
    alike = cosines(vectors)
    vocabulary = [name for name in vectors.names if is_vocabulary(name)]
    if vocabulary:
        words = cosines(vectors, vocabulary)
        alike = np.maximum(alike, np.where(words > SAME_WORDS, words, 0))
    out[np.ix_(vectors.members, vectors.members)] = alike
    return out


def components(alike: Doubles, least: float = LINKED) -> list[list[int]]:
    """Return connected components of the graph of links, largest first."""
    left, found = set(range(len(alike))), []
    while left:
        start = min(left)
        part, queue = {start}, [start]
        while queue:
            near = {int(other) for other in np.flatnonzero(alike[queue.pop()] > least)} - part
            part |= near
            queue += near
        found.append(sorted(part))
        left -= part
    return sorted(found, key=lambda part: (-len(part), part))
