"""Reconstruction of TIES merges that were quantized: base and parents determine the merge but for two numbers.

TIES (arXiv 2306.01708, section 3) has four steps. It trims each task vector to the largest elements of each tensor. It
elects a sign at each position. It takes the mean of the elements with that sign (disjoint merge). It scales the mean.

Given base and parents, all of it follows from density and scale. Quantization to four bits hides which elements have
the base's value (`ties_dare.py`), but not the sums. So all bases and pairs are tried at some positions, with the scale
by least squares. The best combinations are computed in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from ingest.weights.merges.merge import Merge
from ingest.weights.parameters.merge_parameters import MERGE
from ingest.weights.samples.aligned_samples import Vectors

_LIMITS = MERGE.ties_reconstruction


class TiesFit(NamedTuple):
    """One combination of base, parents and density, with its scale by least squares.

    Attributes:
        sq_residual: Squared distance to the child's task vector; first, as fits are sorted by it.
        base: Row of the base.
        parents: Rows of the parents.
        density: Share of each task vector that is kept.
        scale: Factor of the merged task vector.
    """

    sq_residual: float
    base: int
    parents: tuple[int, ...]
    density: float
    scale: float


def reconstruct_ties(
    vectors: Vectors, child: int, candidates: Sequence[int], sq_distance: Doubles
) -> Iterator[tuple[Merge, Floats]]:
    """Yield the TIES merges nearest to a model, each with its predicted values, shape (p, 32).

    Args:
        vectors: Aligned samples of n models.
        child: Row of the model.
        candidates: Rows of possible parents and bases, one of each set of duplicates.
        sq_distance: Squared distances, shape (n, n).
    """
    nearest = sorted(candidates, key=lambda row: float(sq_distance[child, row]))
    step = max(1, len(vectors.tensor) // _LIMITS.search_positions)
    positions = np.arange(0, len(vectors.tensor), step)
    starts = np.flatnonzero(np.diff(vectors.tensor[positions], prepend=-1)) * vectors.values.shape[2]
    fits: list[TiesFit] = []
    for base in nearest[: _LIMITS.max_bases]:
        rows = [row for row in nearest[: _LIMITS.max_parents] if row != base]
        fits += try_subsets(vectors.values[[base, child, *rows]][:, positions], starts, base, rows)
    fits = sorted(fits)[: _LIMITS.max_refined]
    nearest_sq = max(float(sq_distance[child, nearest].min()), 1e-30)
    # Reversed, so that of each base and parents the fit of the best density remains.
    for fit in {(each.base, each.parents): each for each in reversed(fits)}.values():
        best, values = _refine(vectors, child, fit)
        if _LIMITS.min_scale < best.scale < _LIMITS.max_scale:
            weights = (best.scale,) * len(best.parents)
            residual = float(np.sqrt(best.sq_residual / nearest_sq))
            yield Merge(best.parents, weights, best.base, "ties", residual, 1.0), values


def try_subsets(values: Floats, starts: Integers, base: int, rows: Sequence[int]) -> list[TiesFit]:
    """Return the best fits from one base: of all pairs of parents, and of a third added to the best pairs.

    Args:
        values: Values of base, child and possible parents, shape (2 + rows, positions, 32).
        starts: First element of each tensor, shape (t,).
        base: Row of the base.
        rows: Rows of the possible parents.
    """
    flat = values.reshape(len(values), -1)
    task_vector, deltas = flat[1] - flat[0], flat[2:] - flat[0]
    fits: list[TiesFit] = []
    pairs = list(combinations(range(len(rows)), 2))
    for density in _LIMITS.densities:
        trimmed = trim(deltas, starts, density)
        of_pairs = _fit_scales(task_vector, trimmed, pairs, base, rows, density)
        best = [tuple(rows.index(row) for row in fit.parents) for fit in sorted(of_pairs)[:2]]
        triples = sorted({tuple(sorted((*pair, at))) for pair in best for at in range(len(rows)) if at not in pair})
        fits += [*of_pairs, *_fit_scales(task_vector, trimmed, triples, base, rows, density)]
    return sorted(fits)[: _LIMITS.max_refined]


def _fit_scales(
    task_vector: Floats,
    trimmed: Floats,
    subsets: Sequence[tuple[int, ...]],
    base: int,
    rows: Sequence[int],
    density: float,
) -> list[TiesFit]:
    """Return the fit of each subset with a positive scale: s = ⟨τ, m⟩ / ⟨m, m⟩, residual ‖τ‖² − s ⟨τ, m⟩.

    Args:
        task_vector: The child's task vector τ, shape (elements,).
        trimmed: Trimmed task vectors of the possible parents, shape (k, elements).
        subsets: Places of the parents of each merge m.
        base: Row of the base.
        rows: Rows of the possible parents, k of them.
        density: Density of `trimmed`.
    """
    fits: list[TiesFit] = []
    sq_length = float(task_vector @ task_vector)
    for places in subsets:
        merged = elect_and_merge(trimmed[list(places)])
        projection, merged_sq = float(task_vector @ merged), float(merged @ merged)
        scale = projection / max(merged_sq, 1e-30)
        if scale > 0:
            parents = tuple(rows[at] for at in places)
            fits.append(TiesFit(sq_length - scale * projection, base, parents, density, scale))
    return fits


def _refine(vectors: Vectors, child: int, fit: TiesFit) -> tuple[TiesFit, Floats]:
    """Return a fit with the best density and scale over all positions, and its predicted values, shape (p, 32)."""
    origin, width = vectors.flat[fit.base], vectors.values.shape[2]
    task_vector, deltas = vectors.flat[child] - origin, vectors.flat[list(fit.parents)] - origin
    best, best_merged = fit._replace(sq_residual=np.inf), np.zeros_like(origin)
    step, window = _LIMITS.density_step, _LIMITS.density_window
    densities = np.arange(max(step, fit.density - window), min(1.0, fit.density + window) + step / 2, step)
    for density in densities.tolist():
        trimmed = trim(deltas, vectors.starts * width, density)
        everything = [tuple(range(len(deltas)))]
        for each in _fit_scales(task_vector, trimmed, everything, fit.base, fit.parents, density):
            if each.sq_residual < best.sq_residual:
                best, best_merged = each, elect_and_merge(trimmed)
    values = (origin + best.scale * best_merged).reshape(-1, width)
    return best, values.astype(np.float32)


def trim(deltas: Floats, starts: Integers, density: float) -> Floats:
    """Return task vectors with the smallest elements of each tensor set to zero (TIES, step 1).

    Args:
        deltas: Task vectors, shape (k, elements).
        starts: First element of each tensor, shape (t,).
        density: Share of elements that is kept.

    Returns:
        Shape (k, elements).
    """
    out = deltas.copy()
    for start, stop in zip(starts, [*starts[1:], deltas.shape[1]], strict=True):
        sizes = np.abs(deltas[:, start:stop])
        threshold = np.quantile(sizes, 1 - density, axis=1, keepdims=True)
        out[:, start:stop][sizes < threshold] = 0.0
    return out


def elect_and_merge(trimmed: Floats) -> Floats:
    """Return the mean of the elements that have the sign of their sum (TIES, steps 2 and 3: elect, disjoint merge).

    Args:
        trimmed: Trimmed task vectors, shape (k, elements).

    Returns:
        Shape (elements,).
    """
    agree = (np.sign(trimmed) == np.sign(trimmed.sum(0))) & (trimmed != 0)
    return np.asarray((trimmed * agree).sum(0) / np.maximum(agree.sum(0), 1), np.float32)
