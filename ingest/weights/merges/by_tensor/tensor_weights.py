"""Merges whose weights differ from tensor to tensor: affine least squares in each tensor or row by itself.

Many recipes of mergekit 0.1.5 are affine in their inputs within one tensor, with weights that depend on the tensor.
Among them are SLERP with a gradient over layers, Model Stock (arXiv 2403.19522), and NuSLERP and Multi-SLERP from a
base. So are the Karcher mean, and stacks of layers of several models. Some compute their weights for each row.

Spherical interpolation without a base has weights that add up to a little more than one. It is affine once the origin
counts as a further model. The model itself is the origin of coordinates, and G the Gram matrix of others in one tensor.
Then the squared distance to their affine hull is 1 / (1ᵀ G⁻¹ 1), as in `subset_search.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Integers
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.merges.near_models import NearModels
from ingest.weights.parameters.merge_parameters import MERGE

_LIMITS = MERGE.tensor_weights


class LocalFit(NamedTuple):
    """An affine combination of some models with weights of its own in each group of elements.

    Attributes:
        places: Places of the models in the neighbourhood, ascending.
        with_origin: Whether weights need not add up to one.
        weights: Weights of the models in each group, shape (g, models); NaN where a group does not determine them.
        mean_square: Mean squared residual in units of the storage noise.
        ratio: Squared residual over the squared distance to the nearest model.
        grouping: tensor or row.
        products: Inner products of the models and the origin, shape (g, models + 1, models + 1). The model itself is
            the origin of coordinates; the last entry is the vector zero.
    """

    places: tuple[int, ...]
    with_origin: bool
    weights: Doubles
    mean_square: float
    ratio: float
    grouping: str
    products: Doubles

    @property
    def is_exact(self) -> bool:
        """Whether the residual is no more than rounding leaves, and small against the distance to other models."""
        is_noise = self.mean_square < _LIMITS.max_mean_square and self.ratio < MERGE.max_residual_ratio
        return is_noise or self.ratio < MERGE.exact_residual_ratio


def fit_local_weights(near: NearModels, grouping: str) -> list[LocalFit]:
    """Return the sets of models that reproduce a model, small ones first.

    Where some do within noise, those that leave more are left out.

    Args:
        near: The model and the models near it.
        grouping: What has weights of its own: tensor or row.
    """
    near = near.thinned(_LIMITS.search_elements if grouping == "tensor" else _LIMITS.row_search_elements)
    grams = local_grams(near, grouping)
    nearest = _nearest_sq(grams)
    if not _may_be_affine(_hull_residual(near, grams), nearest, len(near.target)):
        return []
    fits = [_fit_members(near, grams, members, nearest, grouping) for members in search_local_subsets(grams)]
    exact = [fit for fit in fits if fit.is_exact]
    return exact or [fit for fit in fits if fit.ratio < _LIMITS.loose_residual_ratio]


def has_row_weights(near: NearModels) -> bool:
    """Whether weights of its own in each row may explain a model: then one weight a tensor leaves little already."""
    near = near.thinned(_LIMITS.row_search_elements)
    grams = local_grams(near, "tensor")
    return _hull_residual(near, grams) < _LIMITS.max_row_hull_ratio * _nearest_sq(grams)


def _nearest_sq(grams: Doubles) -> float:
    """Return the squared distance to the nearest model in units of the noise; `grams` as in `local_grams`."""
    return max(float(np.einsum("gii->gi", grams)[:, :-1].sum(0).min()), 1e-30)


def _hull_residual(near: NearModels, grams: Doubles) -> float:
    """Return the squared distance to the affine hulls of all models and the origin: no set of some comes nearer.

    Many models explain some of anything. So it is divided by the share of dimensions that they leave.

    Args:
        near: The model and the models near it.
        grams: Inner products of each group, shape (g, n, n).
    """
    at = np.arange(grams.shape[1])
    inner = grams.astype(np.float64)
    inner[:, at, at] = inner[:, at, at] * (1 + _LIMITS.hull_ridge) + 1e-9
    total = np.linalg.solve(inner, np.ones((grams.shape[1], 1))).sum((1, 2))
    elements = len(near.target)
    left: float = max(elements - len(grams) * (grams.shape[1] - 1), 1) / elements
    residual = float((1 / np.maximum(total, 1e-30)).sum())
    return residual / left


def _may_be_affine(residual: float, nearest: float, elements: int) -> bool:
    """Whether a fit may leave so little that it is one: see `LocalFit.is_exact`."""
    is_noise = residual < _LIMITS.max_mean_square * elements
    return residual < (MERGE.max_residual_ratio if is_noise else _LIMITS.loose_residual_ratio) * nearest


def local_grams(near: NearModels, grouping: str) -> Doubles:
    """Return inner products within each group, in units of the noise, the model itself as origin.

    Args:
        near: The model and m models near it.
        grouping: tensor or row. A row is that part of it that one position samples.

    Returns:
        Shape (g, m + 1, m + 1); the last model is zero.
    """
    scale = 1 / np.sqrt(near.noise)
    differences = np.concatenate((near.values, np.zeros((1, len(near.target)), np.float32))) - near.target
    if grouping == "row":
        runs = (differences * near.spread(scale)).reshape(len(differences), -1, RUN_LENGTH).swapaxes(0, 1)
        return np.asarray(runs @ runs.swapaxes(1, 2))
    out = np.empty((len(near.sizes), len(differences), len(differences)))
    for size in np.unique(near.sizes):
        at = np.flatnonzero(near.sizes == size)
        runs = differences[:, near.starts[at, None] + np.arange(size)].swapaxes(0, 1) * scale[at, None, None]
        out[at] = runs @ runs.swapaxes(1, 2)
    return out


def search_local_subsets(grams: Doubles) -> list[tuple[int, ...]]:
    """Return the sets of places whose affine combinations come nearest, by beam search; the origin counts as one.

    Args:
        grams: Inner products of each group, shape (g, n, n).

    Returns:
        The best few sets of each size, two to five places.
    """
    count = grams.shape[1]
    lengths = np.einsum("gii->gi", grams) * (1 + 1e-10) + 1e-9
    total = lengths[:, :, None] + lengths[:, None] - 2 * grams
    determinant = np.maximum(lengths[:, :, None] * lengths[:, None] - grams * grams, 0)
    residuals = (determinant / np.maximum(total, 1e-30)).sum(0)
    residuals[np.tri(count, dtype=bool)] = np.inf
    pairs = np.argsort(residuals, axis=None, kind="stable")[: min(_LIMITS.beam_width, count * (count - 1) // 2)]
    subsets = np.stack(np.divmod(pairs, count), 1)
    found = subsets[: _LIMITS.max_fits].tolist()
    for size in range(3, min(_LIMITS.max_models, count) + 1):
        subsets = _extend(grams, lengths, subsets, size)
        found += subsets[: _LIMITS.max_fits].tolist()
    return [tuple(each) for each in found if sum(place < count - 1 for place in each) >= 2]


def _extend(grams: Doubles, lengths: Doubles, subsets: Integers, size: int) -> Integers:
    """Return the best sets of one more place, by the Schur complement in each group (`subset_search`)."""
    count = grams.shape[1]
    inverse = np.linalg.inv(_inner(grams, subsets))
    across = grams[:, subsets]
    solved = inverse @ across
    schur = np.maximum(lengths[:, None] - (across * solved).sum(2), 1e-10 * lengths[:, None])
    total = inverse.sum((2, 3))[..., None] + (1 - solved.sum(2)) ** 2 / schur
    residuals = (1 / np.maximum(total, 1e-30)).sum(0)
    np.put_along_axis(residuals, subsets, np.inf, 1)
    order = np.argsort(residuals, axis=None, kind="stable")[: _LIMITS.beam_width * size]
    order = order[np.isfinite(residuals.reshape(-1)[order])]
    place, added = np.divmod(order, count)
    extended = np.sort(np.column_stack((subsets[place], added)), 1)
    first = np.sort(np.unique(extended @ (count ** np.arange(size)), return_index=True)[1])[: _LIMITS.beam_width]
    return np.asarray(extended[first])


def _inner(grams: Doubles, subsets: Integers) -> Doubles:
    """Return the Gram matrices of some sets, with a ridge far below rounding, shape (g, sets, size, size)."""
    inner = grams[:, subsets[:, :, None], subsets[:, None, :]].copy()
    at = np.arange(subsets.shape[1])
    inner[..., at, at] = inner[..., at, at] * (1 + 1e-10) + 1e-9
    return inner


def _fit_members(near: NearModels, grams: Doubles, members: tuple[int, ...], nearest: float, grouping: str) -> LocalFit:
    """Return the fit by some models.

    Args:
        near: The model and the models near it.
        grams: Inner products of each group, shape (g, m + 1, m + 1).
        members: Places of the models, the origin's last.
        nearest: Squared distance to the nearest model in units of the noise.
        grouping: tensor or row.
    """
    solved = np.linalg.inv(_inner(grams, np.array([members]))[:, 0]).sum(2)
    total = np.maximum(solved.sum(1), 1e-30)
    freedom = max(len(near.target) - len(grams) * (len(members) - 1), 1)
    with_origin = members[-1] == len(near.rows)
    places = members[:-1] if with_origin else members
    weights = (solved / total[:, None])[:, : len(places)]
    mean_square = float((1 / total).sum()) / freedom
    at = np.array([*places, len(near.rows)])
    products = grams[:, at[:, None], at]
    lengths = np.einsum("gii->gi", products)[:, :-1]
    apart = lengths[:, :, None] + lengths[:, None] - 2 * products[:, :-1, :-1]
    apart[:, np.arange(len(places)), np.arange(len(places))] = np.inf
    # Where two inputs are as near to each other as noise, neither has a weight of its own.
    least = _LIMITS.min_distance * max(mean_square, 1) * len(near.target) / len(grams)
    weights[apart.min((1, 2)) < least] = np.nan
    return LocalFit(places, with_origin, weights, mean_square, mean_square * freedom / nearest, grouping, products)
