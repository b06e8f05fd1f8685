"""Merges of one tensor by the formulas of mergekit 0.1.5, which differ from the papers in places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

Array = np.ndarray


def nuslerp(first: Array, second: Array, part: float, base: Array | float = 0.0) -> Array:
    """Spherical interpolation of task vectors, or of the tensors themselves."""
    one, two = (first - base).astype(np.float64), (second - base).astype(np.float64)
    cosine = (one * two).sum() / max(np.linalg.norm(one) * np.linalg.norm(two), 1e-30)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if angle < 1e-6:
        return np.asarray(base + (1 - part) * one + part * two, np.float32)
    turned = (np.sin((1 - part) * angle) * one + np.sin(part * angle) * two) / np.sin(angle)
    return np.asarray(base + turned, np.float32)


def multislerp(models: Sequence[Array], weights: Sequence[float], base: Array | float = 0.0) -> Array:
    """Barycentric interpolation on a sphere: a mean in the tangent space, scaled to the mean length."""
    deltas = np.stack([(model - base).astype(np.float64) for model in models])
    shares = np.array(weights) / sum(weights)
    lengths = np.maximum(np.sqrt(np.square(deltas).reshape(len(deltas), -1).sum(1)), 1e-30)
    units = deltas / lengths.reshape(-1, *[1] * deltas[0].ndim)
    mean = np.tensordot(shares, units, 1)
    mean /= max(float(np.linalg.norm(mean)), 1e-30)
    dots = (units * mean).reshape(len(units), -1).sum(1)
    tangent = np.tensordot(shares, units, 1) - (shares @ dots) * mean
    size = np.linalg.norm(tangent) + 1e-8
    return np.asarray(base + (mean * np.cos(size) + tangent * np.sin(size) / size) * (shares @ lengths), np.float32)


def model_stock(base: Array, models: Sequence[Array], *, filter_wise: bool = False) -> Array:
    """Mean of models, drawn to the base by the mean cosine of task vectors, of a tensor or of each row."""
    deltas = np.stack([(model - base).astype(np.float64) for model in models])

    def dot(one: Array, two: Array) -> Array:
        return np.asarray((one * two).sum(-1, keepdims=True) if filter_wise else (one * two).sum())

    cosine = np.mean(
        [dot(a, b) / np.maximum(np.sqrt(dot(a, a) * dot(b, b)), 1e-30) for a, b in combinations(deltas, 2)], 0
    )
    factor = len(models) * cosine / (1 + (len(models) - 1) * cosine)
    return np.asarray(base + factor * deltas.mean(0), np.float32)


def task_vectors(
    base: Array,
    models: Sequence[Array],
    weights: Sequence[float],
    thinned: str = "",
    density: float = 0.5,
    *,
    agree: bool = False,
    normalize: bool = False,
    seed: int = 0,
) -> Array:
    """Thin out task vectors, rescale random ones to their L1 norm, and add what is left, or what agrees in sign."""
    rng = np.random.default_rng(seed + base.size)
    kept = np.stack([_thinned((model - base).astype(np.float64), thinned, density, rng) for model in models])
    factors = np.array(weights).reshape(-1, *[1] * base.ndim)
    terms = kept * factors
    mask = np.ones_like(terms, bool)
    if agree:
        mask = np.sign(terms) == np.where(terms.sum(0) >= 0, 1, -1)
    total = (terms * mask).sum(0)
    divisor = (factors * mask).sum(0)
    return np.asarray(base + (total / np.where(divisor == 0, 1, divisor) if normalize else total), np.float32)


def _thinned(delta: Array, how: str, density: float, rng: np.random.Generator) -> Array:
    rank = np.abs(delta).reshape(-1).argsort().argsort().reshape(delta.shape) / max(delta.size - 1, 1)
    if how == "magnitude":
        return np.where(rank >= 1 - density, delta, 0)
    if how == "band":
        return np.where((rank >= 0.99 - density) & (rank < 0.99), delta, 0)
    if how in ("random", "rank"):
        chance = density if how == "random" else density - 0.15 + 0.3 * rank
        left = np.where(rng.random(delta.shape) < chance, delta, 0)
        return np.asarray(left * np.abs(delta).sum() / max(np.abs(left).sum(), 1e-30))
    return delta


def sce(base: Array, models: Sequence[Array], top: float) -> Array:
    """Keep the elements where task vectors vary most, and average those that agree in sign by their energy."""
    deltas = np.stack([(model - base).astype(np.float64) for model in models])
    spread = deltas.var(0)
    deltas = deltas * (spread >= np.quantile(spread, 1 - top))
    energy = np.square(deltas).reshape(len(deltas), -1).mean(1)
    mask = np.sign(deltas) == np.where(deltas.sum(0) >= 0, 1, -1)
    weights = (energy / max(float(energy.sum()), 1e-30)).reshape(-1, *[1] * base.ndim) * mask
    return np.asarray(base + (deltas * weights).sum(0) / np.maximum(weights.sum(0), 1e-6), np.float32)


def arcee_fusion(first: Array, second: Array) -> Array:
    """Take the most changed elements of the second model, the others of the first."""
    change = np.abs(second - first)
    low, middle, high = np.quantile(change, [0.25, 0.5, 0.75])
    return np.where(change >= middle + 1.5 * (high - low), second, first)


def nearswap(first: Array, second: Array, step: float) -> Array:
    """Move each element of one model towards the other's by a step at most."""
    part = np.clip(step / np.maximum(np.abs(first - second), 1e-6), 0, 1)
    return np.asarray(part * second + (1 - part) * first, np.float32)
