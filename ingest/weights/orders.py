"""Units of all models of a family in one order: what agrees with the rest in the vocabulary alone is put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ingest.weights.cluster import SAME_WORDS
from ingest.weights.family import Vectors, align, cosines, distances, of_words
from ingest.weights.fingerprint import Fingerprint, Sample
from ingest.weights.names import is_vocabulary
from ingest.weights.permute import Order, after, name_of
from ingest.weights.reread import Rereader

SHUFFLED = 0.9
"""Cosine of the rest over that of the vocabulary, below which units are in another order."""


def in_one_order(
    prints: Sequence[Fingerprint], samples: Sequence[Sample], read: Rereader
) -> tuple[list[Sample], list[str]]:
    """Put units in the order of the model in the middle, then of the nearest: what drifted far finds its own there.

    What has the very same vocabulary as another model in another order is matched to that one, and goes where it goes:
    what is merged of two orders has none of its own, and its copy, matched by itself, would get a different one.

    Args:
        prints: Of the models.
        samples: Of the models.
        read: Looks at the weights again.

    Returns:
        The samples; and the name of the permutation that was undone in each, empty where there was none.
    """
    vectors = align(samples, [item.dtype for item in prints])
    put, frames = list(samples), [""] * len(prints)
    if len(vectors.members) < 2:
        return put, frames
    middle, shuffled = _shuffled(vectors)
    leaders = _leaders(vectors, shuffled)
    orders: dict[int, Order] = {}

    def move(row: int, like: int, then: Order | None = None) -> None:
        """Put a row's units where another has them, and from there on; it stays where they do not match."""
        place = vectors.members[row]
        order = read.matched(prints[place], prints[vectors.members[like]])
        if order is not None and then is not None:
            order = after(order, then)
        name = name_of(order) if order is not None else ""
        sample = read.sample(prints[place], order) if name else None
        if order is not None and sample is not None:
            orders[row], put[place], frames[place] = order, sample, name

    first = {row: leaders.get(row, middle) for row in shuffled}
    left = [row for row in shuffled if first[row] in first]
    for row in shuffled:
        if row not in left:
            move(row, first[row])
    if orders:
        again = align(put, [item.dtype for item in prints])
        nearest = _nearest(again, orders, left) if again.members == vectors.members else {}
        for row, near in nearest.items():
            if near != first[row]:
                move(row, near)
    for row in left:
        move(row, first[row], orders.get(first[row]))
    return put, frames


def _shuffled(vectors: Vectors) -> tuple[int, list[int]]:
    """Return the model in the middle, and those that agree with it in the vocabulary alone."""
    words = [name for name in vectors.names if is_vocabulary(name)]
    body = cosines(vectors, [name for name in vectors.names if not is_vocabulary(name)])
    vocabulary = cosines(vectors, words) if words else np.zeros_like(body)
    middle = int(np.argmax(np.maximum(body, 0).sum(1)))
    shuffled = (vocabulary[:, middle] > SAME_WORDS) & (body[:, middle] < SHUFFLED * vocabulary[:, middle])
    return middle, np.flatnonzero(shuffled).tolist()


def _leaders(vectors: Vectors, shuffled: Sequence[int]) -> dict[int, int]:
    """Return for each shuffled model the first other one whose vocabulary is the very same, where there is one."""
    words = vectors.values[:, of_words(vectors.tensor, vectors.names)]
    first: dict[bytes, int] = {}
    found = {}
    for row in sorted(range(len(words)), key=lambda row: (row in shuffled, row)):
        leader = first.setdefault(words[row].tobytes(), row)
        if leader != row and row in shuffled:
            found[row] = leader
    return found


def _nearest(vectors: Vectors, moved: Mapping[int, Order], left: Sequence[int]) -> dict[int, int]:
    """Return for each model that was moved the nearest that was not, those left out that are still to be moved."""
    away = distances(vectors)
    rest = np.array([row for row in range(len(away)) if row not in moved and row not in left])
    found = {row: int(rest[np.argmin(away[row, rest])]) for row in moved}
    return {row: near for row, near in found.items() if away[row, near] > 0}
