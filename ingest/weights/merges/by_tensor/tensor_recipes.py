"""Which recipe made the weights of each tensor: its formula, with one parameter for all tensors where it has one.

The formulas are those of mergekit 0.1.5. Some differ from their papers. Where two recipes give the same weights, the
method is named as their class, with a bar between the names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags
from ingest.weights.merges.by_tensor.tensor_weights import LocalFit
from ingest.weights.merges.linear import classify_weights
from ingest.weights.merges.merge import Merge
from ingest.weights.merges.near_models import NearModels
from ingest.weights.parameters.merge_parameters import MERGE

_LIMITS = MERGE.tensor_weights


class Recipe(NamedTuple):
    """A method, with the weights that it was given.

    Attributes:
        method: Name in mergekit; several with a bar between them where they cannot be distinguished.
        weights: Weight of each parent, shape (parents,).
        parents: Places of the parents among the fitted models.
        base: Place of the base, or None.
        complexity: About how many numbers the recipe leaves free; many where it leaves one free in each tensor.
    """

    method: str
    weights: Doubles
    parents: tuple[int, ...]
    base: int | None
    complexity: float


def simplest_merge(near: NearModels, fits: list[LocalFit]) -> Merge | None:
    """Return the merge of the simplest recipe that makes the weights of any fit, or None.

    Args:
        near: The model and the models near it.
        fits: Combinations that reproduce the model, small ones first.
    """
    named = [(fit, recipe) for fit in fits if (recipe := recipe_of(fit)) is not None]
    if not named:
        return None
    fit, recipe = min(named, key=lambda item: (item[1].complexity + len(item[0].places), item[0].mean_square))
    complexity = recipe.complexity + (0 if fit.is_exact else _LIMITS.loose_complexity)
    rows = [near.rows[fit.places[at]] for at in recipe.parents]
    ordered = sorted(zip(rows, recipe.weights.tolist(), strict=True), key=lambda item: -item[1])
    base = None if recipe.base is None else near.rows[fit.places[recipe.base]]
    parents, weights = zip(*ordered, strict=True)
    return Merge(parents, weights, base, recipe.method, float(np.sqrt(fit.ratio)), 1.0, complexity)


def recipe_of(fit: LocalFit) -> Recipe | None:
    """Return the recipe that makes the weights of a fit, None where they are those of no merge."""
    known = np.asarray(np.isfinite(fit.weights).all(1))
    weights = fit.weights[known]
    if not len(weights):
        return None
    if fit.with_origin:
        return _spherical(fit, weights, known)
    stack = _layer_stack(fit, weights)
    if stack is not None:
        return stack
    if len(fit.places) == 2:
        return _interpolation(fit, weights)
    if _scatter(weights) < _LIMITS.constant_weight_tolerance / 4:
        # The equation of a linear merge, solved for one of its inputs, has constant weights as well.
        return _constant(fit, weights)
    recipes = [_constant(fit, weights), *(_from_base(fit, base) for base in range(len(fit.places)))]
    found = [recipe for recipe in recipes if recipe is not None]
    if found:
        return min(found, key=lambda recipe: recipe.complexity)
    # Weights that follow no formula explain some of anything: then only what rounding leaves may be left.
    return _mixed_weights(weights) if fit.is_exact and fit.grouping == "tensor" else None


def _layer_stack(fit: LocalFit, weights: Doubles) -> Recipe | None:
    """Return passthrough where each tensor is one model's own, else None."""
    is_whole = (np.abs(weights - np.rint(weights)) < _LIMITS.whole_weight_tolerance).all(1)
    shares = np.rint(weights).mean(0)
    if fit.grouping != "tensor" or is_whole.mean() < _LIMITS.min_whole_share or not (shares > 0).all():
        return None
    return Recipe("passthrough", shares, tuple(range(len(shares))), None, 2)


def _interpolation(fit: LocalFit, weights: Doubles) -> Recipe | None:
    """Return a linear merge of two models. SLERP is linear as well where the cosine of the two is above .9995."""
    mean, tolerance = weights.mean(0), _LIMITS.weight_tolerance
    if (mean < MERGE.min_weight).any() or (weights < -tolerance).any() or fit.grouping != "tensor":
        return None
    is_constant = weights.std(0).max() < tolerance
    return Recipe("linear" if is_constant else "linear|slerp", mean, (0, 1), None, 1 if is_constant else 5)


def _constant(fit: LocalFit, weights: Doubles) -> Recipe | None:
    """Return a linear merge or task arithmetic where all tensors have the same weights, else None."""
    centre = np.median(weights, 0)
    if _scatter(weights) > _LIMITS.constant_weight_tolerance or fit.grouping != "tensor":
        return None
    merge = classify_weights(range(len(centre)), centre, 0.0)
    if merge is None:
        return None
    left, complexity = sorted(set(range(len(centre))) - set(merge.inputs)), 0.0
    if len(left) == 1 and merge.base is None:
        # A base of so little weight may be noise, or what makes up for weights that add up to more than one.
        complexity = 2.5
        merge = merge._replace(base=left[0], method="task_arithmetic")
    elif left:
        return None
    return Recipe(merge.method, np.array(merge.weights), merge.parents, merge.base, complexity)


def _spherical(fit: LocalFit, weights: Doubles, known: Flags) -> Recipe | None:
    """Return the spherical interpolation of models, without a base, that weights are those of.

    The Karcher mean of two models, NuSLERP and SLERP are one formula.
    """
    parents = tuple(range(len(fit.places)))
    if fit.grouping == "row":
        if len(parents) > 2:
            return None
        mean = np.median(weights, 0) / np.median(weights, 0).sum()
        return Recipe("nuslerp", mean, parents, None, 5) if (mean > MERGE.min_weight).all() else None
    lengths, cosines = _geometry(fit.products[known], parents, len(parents))
    shares = weights * lengths / np.maximum((weights * lengths).sum(1, keepdims=True), 1e-30)
    if len(parents) == 2:
        shares = arc_fractions(weights, cosines[:, 0, 1])
    mean = shares.mean(0)
    if (mean < MERGE.min_weight).any() or np.nanmedian(np.abs(weights.sum(1) - 1)) > 0.5:
        return None
    is_constant = _scatter(shares) < _LIMITS.weight_tolerance
    if len(parents) == 2:
        return Recipe("slerp", mean, parents, None, 1.5 if is_constant else 6)
    centre = np.median(shares, 0)
    if not is_constant:
        return None
    if centre.min() < MERGE.min_weight:
        # Most tensors are one parent's own: a stack of layers, one part of which is a merge that is not here.
        return Recipe("passthrough|multislerp", mean, parents, None, 10) if fit.is_exact else None
    is_equal = np.abs(centre - 1 / len(parents)).max() < _LIMITS.weight_tolerance / 2
    method = "karcher|multislerp" if is_equal else "multislerp"
    return Recipe(method, centre, parents, None, len(parents) - is_equal)


def _from_base(fit: LocalFit, base: int) -> Recipe | None:
    """Return the recipe that interpolates task vectors from a base, None where the weights are those of none.

    Args:
        fit: The fit.
        base: Place of the base among the fitted models.
    """
    parents = tuple(at for at in range(len(fit.places)) if at != base)
    known = np.asarray(np.isfinite(fit.weights).all(1))
    weights = fit.weights[known][:, list(parents)]
    scale = np.maximum(np.abs(weights).max(1), 0.1)
    tolerance = _LIMITS.row_weight_tolerance if fit.grouping == "row" else _LIMITS.weight_tolerance
    if np.median(np.ptp(weights, axis=1) / scale) < tolerance:
        if fit.grouping == "row":
            # Factors that all rows share are those of another merge, solved for one of its inputs.
            is_constant = _scatter(weights) < _LIMITS.row_weight_tolerance
            centre = np.median(weights, 0)
            # A model of which most rows are the base's own has equal weights in these rows: none.
            if is_constant or centre.min() < MERGE.min_weight:
                return None
            return Recipe("model_stock", centre, parents, base, 1)
        mean_cosine = _mean_cosine(_geometry(fit.products[known], parents, base)[1])
        expected = mean_cosine / (1 + (len(parents) - 1) * mean_cosine)
        is_stock = np.median(np.abs(weights.mean(1) - expected)) < _LIMITS.model_stock_tolerance
        if is_stock and weights.mean(0).min() > MERGE.min_weight:
            return Recipe("model_stock", weights.mean(0), parents, base, 0.5)
        return None
    if fit.grouping == "row" or (weights.mean(0) < MERGE.min_weight).any():
        return None
    lengths, cosines = _geometry(fit.products[known], parents, base)
    shares = weights * lengths / np.maximum((weights * lengths).sum(1, keepdims=True), 1e-30)
    scatters = {"multislerp": _scatter(shares)}
    if len(parents) == 2:
        fractions = arc_fractions(weights, cosines[:, 0, 1])
        scatters["nuslerp"] = _scatter(fractions)
    method = min(scatters, key=lambda name: scatters[name])
    if scatters[method] > _LIMITS.weight_tolerance:
        return None
    if len(scatters) == 2 and max(scatters.values()) < _LIMITS.weight_tolerance:
        method = "multislerp|nuslerp"
    centre = np.median(fractions if "nuslerp" in method else shares, 0)
    if centre.min() < MERGE.min_weight:
        return None
    return Recipe(method, centre, parents, base, len(parents) - 1 + scatters[min(scatters)])


def _mixed_weights(weights: Doubles) -> Recipe | None:
    """Return a merge of three or more models whose weights vary by no known formula, as a gradient makes them."""
    mean = weights.mean(0)
    negative = np.flatnonzero(mean < -MERGE.min_weight)
    if len(negative) > 1 or (np.abs(mean) < MERGE.min_weight).any():
        return None
    base = int(negative[0]) if len(negative) else None
    parents = tuple(at for at in range(len(mean)) if at != base)
    return Recipe("linear|task_arithmetic", mean[list(parents)], parents, base, 10)


def arc_fractions(weights: Doubles, cosine: Doubles) -> Doubles:
    """Return the fractions 1 − t and t of the arc between two vectors at which a combination of them lies.

    Args:
        weights: Weights of the two, shape (g, 2).
        cosine: Cosine of the two, shape (g,).
    """
    angle = np.arccos(np.clip(cosine, -1, 1))
    first, second = weights.T
    turned = np.arctan2(second * np.sin(angle), first + second * np.cos(angle)) / np.maximum(angle, 1e-30)
    total = np.where(np.abs(first + second) > 1e-12, first + second, 1)
    fraction = np.where(angle < MERGE.min_slerp_angle, second / total, turned)
    return np.stack((1 - fraction, fraction), 1)


def _scatter(shares: Doubles) -> float:
    """Return how far from the median the shares of most tensors are at most, shape (g, k)."""
    return float(np.quantile(np.abs(shares - np.median(shares, 0)).max(1), _LIMITS.most_tensors))


def _mean_cosine(cosines: Doubles) -> Doubles:
    """Return the mean cosine of all pairs of k vectors, shape (g, k, k) to (g,)."""
    first, second = np.triu_indices(cosines.shape[1], 1)
    return np.asarray(cosines[:, first, second].mean(1))


def _geometry(products: Doubles, parents: Sequence[int], base: int) -> tuple[Doubles, Doubles]:
    """Return lengths and cosines of vectors from a base, shapes (g, k) and (g, k, k).

    Args:
        products: Inner products, as in `LocalFit`.
        parents: Places of the k vectors' ends.
        base: Place of their common start.
    """
    ends = np.array(parents)
    across, origin = products[:, ends, base], products[:, base, base][:, None, None]
    grams = products[:, ends[:, None], ends] - across[:, :, None] - across[:, None] + origin
    lengths = np.sqrt(np.maximum(np.einsum("gii->gi", grams), 1e-30))
    return lengths, grams / (lengths[:, :, None] * lengths[:, None])
