"""Nearest neighbours of models by squared distance over their samples, without a pass over all pairs.

An inverted file (Sivic and Zisserman 2003) over random projections (Johnson and Lindenstrauss 1984). Few models are
pivots. Each model belongs to the cells of the pivots whose directions from the centre are most like its own. It is
compared with the other models of its cells, as a child shares its parent's direction. A parent of very many lies at the
centre of its children and in no direction. It is nearest to the pivots among them (a hub, Radovanović et al. 2010, JMLR
11). So what is nearest to a pivot is compared with all. Distances of the candidates are then computed over all
elements. Small families are compared in full.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.weights.parameters.region_parameters import REGION

_BLOCK = 1024
"""Models that are compared at once: bounds the memory."""


class Neighbours(NamedTuple):
    """The nearest of n models to each of them, the nearest first.

    Attributes:
        rows: Rows of the neighbours, shape (n, k); -1 where fewer were compared.
        sq_distance: Squared distances, shape (n, k); infinite where fewer were compared.
        compared: Pairs of which a distance was computed.
    """

    rows: Integers
    sq_distance: Floats
    compared: int


def nearest_neighbours(flat: Floats, count: int) -> Neighbours:
    """Return the nearest models to each of n models, itself left out.

    Args:
        flat: Elements of the models, shape (n, elements).
        count: Neighbours of each, k; fewer where there are fewer models.
    """
    models, every = len(flat), np.arange(len(flat))
    count = min(count, max(models - 1, 0))
    flat = flat - flat.mean(0)
    if models <= REGION.max_compared_in_full:
        found = _Nearest(flat, count)
        found.compare(every, every)
        return found.result()
    directions = np.random.default_rng(0).standard_normal((flat.shape[1], REGION.projections), np.float32)
    projected = flat @ (directions / np.float32(np.sqrt(REGION.projections)))
    # Models are sorted by id, which is unrelated to their weights: evenly spaced ones are a sample.
    pivots = np.unique(np.linspace(0, models - 1, int(np.sqrt(models))).astype(np.int64))
    found = _Nearest(projected, min(REGION.candidates_of_a_neighbour * count, models - 1))
    found.compare(every, _hubs(found.distances(every, pivots)))
    for members in _cells(projected, pivots):
        found.compare(members, members)
    candidates = found.result()
    return _reranked(flat, candidates, count)


def _hubs(to_pivots: Floats) -> Integers:
    """Return the models that are nearest to most pivots, by squared distances of shape (n, pivots)."""
    near = REGION.hubs_of_a_pivot
    nearest = np.argpartition(to_pivots, near, axis=0)[:near]
    rows, counts = np.unique(nearest, return_counts=True)
    return np.sort(rows[np.argsort(-counts, kind="stable")[: REGION.max_hubs]])


def _cells(projected: Floats, pivots: Integers) -> list[Integers]:
    """Return the models of each pivot's cell: those whose direction is like its own more than like most others'."""
    unit = projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), np.float32(1e-30))
    cosine = unit @ unit[pivots].T
    nearest = np.argpartition(-cosine, REGION.cells_of_a_model, axis=1)[:, : REGION.cells_of_a_model]
    rows = np.repeat(np.arange(len(projected)), nearest.shape[1])
    order = np.argsort(nearest.reshape(-1), kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(nearest.reshape(-1), minlength=len(pivots)))[:-1])


def _reranked(flat: Floats, candidates: Neighbours, count: int) -> Neighbours:
    """Return the nearest of some candidates, by distances over all elements of shape (n, elements)."""
    norms = np.einsum("ne,ne->n", flat, flat)
    squared = np.full(candidates.rows.shape, np.inf, np.float32)
    for row, others in enumerate(candidates.rows):
        known = others >= 0
        at = others[known]
        squared[row, known] = np.maximum(norms[row] + norms[at] - 2 * (flat[at] @ flat[row]), 0)
    order = np.lexsort((candidates.rows, squared), axis=1)[:, :count]
    rows, nearest = np.take_along_axis(candidates.rows, order, 1), np.take_along_axis(squared, order, 1)
    return Neighbours(rows, nearest, candidates.compared)


class _Nearest:
    """The nearest models found so far, in no order; arrays as in `Neighbours`."""

    def __init__(self, flat: Floats, count: int) -> None:
        self._flat, self._norms, self._compared = flat, np.einsum("ne,ne->n", flat, flat), 0
        self._rows = np.full((len(flat), count), -1, np.int64)
        self._sq_distance = np.full((len(flat), count), np.inf, np.float32)

    def distances(self, rows: Integers, others: Integers) -> Floats:
        """Return squared distances, shape (rows, others)."""
        self._compared += len(rows) * len(others)
        products = self._flat[rows] @ self._flat[others].T
        squared: Floats = self._norms[rows, None] + self._norms[others] - 2 * products
        return np.maximum(squared, 0, out=squared)

    def compare(self, rows: Integers, others: Integers) -> None:
        """Compare some models with others, and keep the nearest of each."""
        count = self._rows.shape[1]
        for start in range(0, len(rows), _BLOCK):
            at = rows[start : start + _BLOCK]
            squared = self.distances(at, others)
            squared[others[None] == at[:, None]] = np.inf
            least = min(count, len(others))
            near = np.argpartition(squared, least - 1, axis=1)[:, :least] if least else np.empty((len(at), 0), np.int64)
            new, before = others[near], self._rows[at]
            new_distance = np.take_along_axis(squared, near, 1)
            new_distance[(new[:, :, None] == before[:, None]).any(2)] = np.inf
            every = np.concatenate((self._sq_distance[at], new_distance), 1)
            kept = np.argpartition(every, count - 1, axis=1)[:, :count] if count else near
            self._sq_distance[at] = np.take_along_axis(every, kept, 1)
            self._rows[at] = np.take_along_axis(np.concatenate((before, new), 1), kept, 1)

    def result(self) -> Neighbours:
        """Return what was found, the nearest first, and by row where several are equally near."""
        self._rows[~np.isfinite(self._sq_distance)] = -1
        order = np.lexsort((self._rows, self._sq_distance), axis=1)
        rows, squared = np.take_along_axis(self._rows, order, 1), np.take_along_axis(self._sq_distance, order, 1)
        return Neighbours(rows, squared, self._compared)
