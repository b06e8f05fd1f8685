"""TIES merges that were rounded to few bits: what election makes of some parents is known, but for two numbers.

TIES (Yadav et al. 2023, section 3) keeps of each task vector and tensor the largest elements, elects a sign for each
position, takes the mean of those that have it, and scales it. Given base and parents, all of it follows from density
and scale. Rounding to four bits hides which elements were left alone (`sparse.py`), but not what they sum up to: all
bases and pairs are tried on some positions, the scale by least squares, and what comes nearest is made in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from ingest.weights.merges.merge import Merge
from ingest.weights.samples.aligned_samples import Vectors

PARENTS, BASES = 12, 24
"""Models nearest to the child that may be its parents, and that may be its base."""
POSITIONS = 512
"""Positions that all are tried on."""
DENSITIES = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Densities tried first; those of the best are then refined."""
FINER = 0.01
KEPT = 6
"""Best combinations of two that a third is added to, and of all that are made in full."""
LEAST_SCALE, MOST_SCALE = 0.2, 2.0
"""Scales that count: beyond, it is no merge of these."""


class _TiesFit(NamedTuple):
    """A combination: squared distance that it leaves, base, rows, density, scale."""

    left: float
    base: int
    rows: tuple[int, ...]
    density: float
    scale: float


def reconstruct_ties(
    vectors: Vectors, child: int, others: Sequence[int], squared: Doubles
) -> Iterator[tuple[Merge, Floats]]:
    """Yield the TIES merges that come nearest to a model, each with what is merged, shape (p, 32).

    Args:
        vectors: Samples of the family.
        child: Row of the model.
        others: Rows of possible parents and bases, copies of each other left out.
        squared: Squared distances, shape (n, n).
    """
    near = sorted(others, key=lambda row: float(squared[child, row]))
    step = max(1, len(vectors.tensor) // POSITIONS)
    some = np.arange(0, len(vectors.tensor), step)
    starts = np.flatnonzero(np.diff(vectors.tensor[some], prepend=-1)) * vectors.values.shape[2]
    found: list[_TiesFit] = []
    for base in near[:BASES]:
        rows = [row for row in near[:PARENTS] if row != base]
        found += try_subsets(vectors.values[[base, child, *rows]][:, some], starts, base, rows)
    found = sorted(found)[:KEPT]
    away = float(squared[child, near].min())
    # The first of each base and parents is the best of its densities.
    for tried in {(each.base, each.rows): each for each in reversed(found)}.values():
        best, made = _refine(vectors, child, tried)
        if LEAST_SCALE < best.scale < MOST_SCALE:
            weights = (best.scale,) * len(best.rows)
            yield Merge(best.rows, weights, best.base, "ties", float(np.sqrt(best.left / max(away, 1e-30))), 1.0), made


def try_subsets(values: Floats, starts: Integers, base: int, rows: Sequence[int]) -> list[_TiesFit]:
    """Try all pairs of parents of one base, and a third beside the best.

    Args:
        values: Of base, child and possible parents, shape (2 + rows, positions, 32).
        starts: First element of each tensor.
        base: Row of the base.
        rows: Rows of the possible parents.
    """
    flat = values.reshape(len(values), -1)
    moved, deltas = flat[1] - flat[0], flat[2:] - flat[0]
    found: list[_TiesFit] = []
    pairs = list(combinations(range(len(rows)), 2))
    for density in DENSITIES:
        kept = trim(deltas, starts, density)
        two = _fit_scales(moved, kept, pairs, base, rows, density)
        best = [tuple(rows.index(row) for row in each.rows) for each in sorted(two)[:2]]
        three = sorted({tuple(sorted((*pair, at))) for pair in best for at in range(len(rows)) if at not in pair})
        found += [*two, *_fit_scales(moved, kept, three, base, rows, density)]
    return sorted(found)[:KEPT]


def _fit_scales(
    moved: Floats, kept: Floats, sets: Sequence[tuple[int, ...]], base: int, rows: Sequence[int], density: float
) -> list[_TiesFit]:
    out: list[_TiesFit] = []
    whole = float(moved @ moved)
    for places in sets:
        mean = elect_and_merge(kept[list(places)])
        along, length = float(moved @ mean), float(mean @ mean)
        scale = along / max(length, 1e-30)
        if scale > 0:
            out.append(_TiesFit(whole - scale * along, base, tuple(rows[at] for at in places), density, scale))
    return out


def _refine(vectors: Vectors, child: int, tried: _TiesFit) -> tuple[_TiesFit, Floats]:
    """Return a combination with the density and scale that come nearest on all positions, and what it makes."""
    origin, width = vectors.flat[tried.base], vectors.values.shape[2]
    moved, deltas = vectors.flat[child] - origin, vectors.flat[list(tried.rows)] - origin
    best, nearest = tried._replace(left=np.inf), np.zeros_like(origin)
    around = np.arange(max(FINER, tried.density - 0.15), min(1.0, tried.density + 0.15) + FINER / 2, FINER)
    for density in around.tolist():
        kept = trim(deltas, vectors.starts * width, density)
        for each in _fit_scales(moved, kept, [tuple(range(len(deltas)))], tried.base, tried.rows, density):
            if each.left < best.left:
                best, nearest = each, elect_and_merge(kept)
    made = (origin + best.scale * nearest).reshape(-1, width)
    return best, made.astype(np.float32)


def trim(deltas: Floats, starts: Integers, density: float) -> Floats:
    """Return task vectors of which the smallest elements of each tensor are set to zero, shape of `deltas`.

    Args:
        deltas: Shape (k, elements).
        starts: First element of each tensor.
        density: Share that is kept.
    """
    out = deltas.copy()
    for start, stop in zip(starts, [*starts[1:], deltas.shape[1]], strict=True):
        sizes = np.abs(deltas[:, start:stop])
        cut = np.quantile(sizes, 1 - density, axis=1, keepdims=True)
        out[:, start:stop][sizes < cut] = 0.0
    return out


def elect_and_merge(kept: Floats) -> Floats:
    """Return the mean of the elements that have the sign of their sum, shape (elements,); `kept` is (k, elements)."""
    agree = (np.sign(kept) == np.sign(kept.sum(0))) & (kept != 0)
    return np.asarray((kept * agree).sum(0) / np.maximum(agree.sum(0), 1), np.float32)
