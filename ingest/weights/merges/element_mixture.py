"""Merges whose elements are each explained by some of the parents: TIES, DARE, DELLA, Breadcrumbs, SCE, Arcee Fusion.

With the base as origin, each element of such a merge is nothing, one parent's task vector times a factor, or a
combination of several. The combination is the sum of the terms, or their mean by weights that add up to one. Rescaling
by the L1 norm, as mergekit 0.1.5 does it, gives a parent a factor of its own in each tensor.

The factor is where ratios to a parent's task vector pile up in a tensor. Given all factors, an element either equals
one of the possible values up to rounding, or it does not. In float32 chance hardly ever explains one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers
from ingest.weights.merges.near_models import NearModels
from ingest.weights.parameters.merge_parameters import MERGE

_LIMITS = MERGE.elements


class Mixture(NamedTuple):
    """An explanation of a model's elements by a base and parents.

    Attributes:
        base: Place of the base in the neighbourhood.
        parents: Places of the k parents.
        is_mean: Whether several parents' terms are averaged, not added.
        factors: Factor of each parent's task vector in each tensor, shape (k, t).
        shares: Where averaged, the weight of the first of each pair of parents in each tensor, by the two.
        terms: Task vectors times their factors, shape (k, e).
        covered: Width of all explanations of each element, shape (e,).
        used: Parents that explain each element, as bits; 0 where it is the base's own, -1 where nothing explains it,
            shape (e,).
        informative: Elements that chance hardly explains, shape (e,).
        explained: Share explained of the informative elements that are not the base's.
        of_changed: Share explained of all elements that are not the base's.
    """

    base: int
    parents: tuple[int, ...]
    is_mean: bool
    factors: Doubles
    shares: dict[tuple[int, int], Doubles]
    terms: Doubles
    covered: Doubles
    used: Integers
    informative: Flags
    explained: float
    of_changed: float

    @property
    def score(self) -> float:
        """Mean of both shares: the one is blind to elements near rounding, the other takes chance for explanation."""
        return (self.explained + self.of_changed) / 2

    def share_of(self, parent: int) -> float:
        """Return the share of informative changed elements in which a parent takes part."""
        changed = self.informative & (self.used != 0)
        takes_part = (self.used > 0) & ((self.used >> parent) & 1 == 1)
        return float(takes_part[changed].mean()) if changed.any() else 0.0


def fit_mixture(
    near: NearModels, base: int, scales: Sequence[tuple[int, float]], *, is_mean: bool, is_final: bool
) -> Mixture | None:
    """Explain a model's elements by a base and some parents, None where a parent explains nothing.

    Args:
        near: The model and the models near it.
        base: Place of the base.
        scales: Place of each parent, and roughly its factor. A factor of one is exact: elements are the parent's own.
        is_mean: Whether several parents' terms are averaged, not added.
        is_final: Whether the factor of each tensor is searched by itself.
    """
    error = _LIMITS.rounding_factor * near.error
    origin = near.values[base]
    target = (near.target - origin).astype(np.float64)
    deltas = (near.values[[place for place, _ in scales]] - origin).astype(np.float64)
    changed = np.abs(target) > error
    factors = np.empty((len(scales), len(near.sizes)))
    for at, (_, scale) in enumerate(scales):
        found = _factor_of_tensors(near, target, deltas[at], scale, error, changed, is_final=is_final)
        if found is None:
            return None
        factors[at] = found
    terms = near.spread(factors) * deltas
    exact = _LIMITS.relative_tolerance if is_final else _LIMITS.search_tolerance
    of_dtype = {"BF16": _LIMITS.bfloat16_tolerance, "F16": _LIMITS.float16_tolerance}
    matcher = _Matcher(target, error, changed, of_dtype.get(near.dtype, exact))
    for at, term in enumerate(terms):
        matcher.offer(term, 1 << at)
    shares = dict[tuple[int, int], Doubles]()
    if is_mean:
        averaged = _offer_means(near, matcher, terms)
        if averaged is None:
            return None
        shares = averaged
    else:
        for size in range(2, len(scales) + 1):
            for some in combinations(range(len(scales)), size):
                matcher.offer(terms[list(some)].sum(0), sum(1 << at for at in some))
    size = np.where(changed, np.abs(target), np.abs(deltas).max(0))
    informative = matcher.covered < _LIMITS.max_chance * size
    counted = informative & changed
    if counted.sum() < _LIMITS.min_elements:
        return None
    explained = float((matcher.used[counted] > 0).mean())
    of_changed = float((matcher.used[changed] > 0).mean())
    places = tuple(place for place, _ in scales)
    return Mixture(
        base, places, is_mean, factors, shares, terms, matcher.covered, matcher.used, informative, explained, of_changed
    )


class _Matcher:
    """Which of the offered values each element equals: the nearest in units of the tolerance."""

    def __init__(self, target: Doubles, error: Doubles, changed: Flags, relative: float) -> None:
        self.target, self.error, self.relative = target, error, relative
        self.used = np.where(changed, -1, 0)
        self.covered = 2 * error
        self._distance = np.where(changed, 1.0, 0.0)

    def offer(self, values: Doubles, parents: int) -> None:
        """Let a combination of parents, as bits, explain the elements that its values come near to."""
        width = self.error + self.relative * np.abs(values)
        distance = np.abs(self.target - values) / width
        is_nearer = distance < self._distance
        self.used[is_nearer] = parents
        self._distance = np.where(is_nearer, distance, self._distance)
        self.covered = self.covered + 2 * width


def _offer_means(near: NearModels, matcher: _Matcher, terms: Doubles) -> dict[tuple[int, int], Doubles] | None:
    """Offer the weighted means of parents, with weights found from the elements that single parents leave.

    Args:
        near: The model and the models near it.
        matcher: Takes the means.
        terms: Task vectors times their factors, shape (k, e).

    Returns:
        The weight of the first of each pair in each tensor, or None where a pair explains nothing.
    """
    shares = dict[tuple[int, int], Doubles]()
    for first, second in combinations(range(len(terms)), 2):
        between = terms[first] - terms[second]
        rest = matcher.target - terms[second]
        usable = (matcher.used < 0) & (np.abs(between) > _LIMITS.min_delta * matcher.error)
        fraction = np.where(usable, rest / np.where(usable, between, 1), -1)
        usable &= (fraction > _LIMITS.min_share) & (fraction < 1 - _LIMITS.min_share)
        if usable.sum() < _LIMITS.min_elements:
            return None
        found = _densest_of_tensors(near, fraction, usable, _densest(fraction[usable]))
        refined = _refine(near, rest, between, found, matcher.error, usable, _LIMITS.fine_windows)
        if refined is None:
            return None
        weight = np.clip(refined, _LIMITS.min_share, 1 - _LIMITS.min_share)
        shares[first, second] = weight
        spread = near.spread(weight)
        matcher.offer(spread * terms[first] + (1 - spread) * terms[second], (1 << first) | (1 << second))
    if len(terms) == 3:
        odds = np.stack((np.ones_like(weight), 1 / shares[0, 1] - 1, 1 / shares[0, 2] - 1))
        matcher.offer((near.spread(odds / odds.sum(0)) * terms).sum(0), 7)
    return shares


def _factor_of_tensors(
    near: NearModels,
    target: Doubles,
    delta: Doubles,
    scale: float,
    error: Doubles,
    changed: Flags,
    *,
    is_final: bool,
) -> Doubles | None:
    """Return the factor of a task vector in each tensor, shape (t,), None where it explains hardly any element."""
    start = np.full(len(near.sizes), scale)
    if scale == 1:
        return start
    usable = changed & (np.abs(delta) > _LIMITS.min_delta * error)
    if near.dtype or not is_final:
        # Sixteen bits make ratios of their own pile up, that of one above all.
        windows = _LIMITS.coarse_windows if not is_final else _LIMITS.rounded_windows
        return _refine(near, target, delta, start, error, usable, windows)
    ratio = target / np.where(usable, delta, 1)
    window = usable & (np.abs(ratio - scale) < _LIMITS.max_rescale * scale)
    start = _densest_of_tensors(near, ratio, window, scale)
    # Where another parent's step is small, wide windows mix elements with it and without.
    fits = [_refine(near, target, delta, start, error, usable, windows)
            for windows in (_LIMITS.fine_windows, _LIMITS.exact_windows)]  # fmt: skip
    found = _exactest(near, target, delta, error, usable, [fit for fit in fits if fit is not None])
    if found is None:
        return None
    # Without rescaling all tensors have one factor, which few elements of one tensor tell less well.
    centre = np.median(found)
    is_one = (np.abs(found - centre) < _LIMITS.same_factor_tolerance * abs(centre)).mean() > 0.5
    return np.full_like(found, centre) if is_one else found


def _exactest(
    near: NearModels, target: Doubles, delta: Doubles, error: Doubles, usable: Flags, options: Sequence[Doubles]
) -> Doubles | None:
    """Return for each tensor that factor of some which most elements agree with up to rounding, None without any.

    Args:
        near: The model and the models near it.
        target: Values that are explained, shape (e,).
        delta: What they are multiples of, shape (e,).
        error: Largest rounding error of the values, shape (e,).
        usable: Elements that may count, shape (e,).
        options: Factors of each tensor, shape (t,) each.
    """
    if not options:
        return None
    agree = [near.tensor_sums(usable & (np.abs(target - near.spread(each) * delta) <= error)) for each in options]
    return np.asarray(np.choose(np.argmax(agree, 0), options))


def _refine(
    near: NearModels,
    target: Doubles,
    delta: Doubles,
    factor: Doubles,
    error: Doubles,
    usable: Flags,
    windows: Sequence[float],
) -> Doubles | None:
    """Return factors by least squares over the elements that agree with them, in ever smaller windows.

    Args:
        near: The model and the models near it.
        target: Values that are explained, shape (e,).
        delta: What they are multiples of, shape (e,).
        factor: Factors to start from, shape (t,).
        error: Largest rounding error of the values, shape (e,).
        usable: Elements that may count, shape (e,).
        windows: Relative differences from the factor within which elements agree with it.
    """
    # Not weighted by precision: the few elements near zero would decide alone.
    across, squared = target * delta, delta * delta
    for window in windows:
        expected = near.spread(factor) * delta
        agrees = usable & (np.abs(target - expected) <= np.maximum(window * np.abs(expected), error))
        if agrees.sum() < _LIMITS.min_elements:
            return None
        counts = near.tensor_sums(agrees)
        sums = near.tensor_sums(np.stack((across * agrees, squared * agrees)))
        pooled = float(sums[0].sum() / max(sums[1].sum(), 1e-30))
        own = sums[0] / np.maximum(sums[1], 1e-30)
        factor = np.where(counts >= _LIMITS.min_tensor_elements, own, np.where(counts > 0, factor, pooled))
    return factor


def _densest_of_tensors(near: NearModels, values: Doubles, usable: Flags, otherwise: float) -> Doubles:
    """Return where values pile up in each tensor, shape (t,).

    Args:
        near: The model and the models near it.
        values: Shape (e,).
        usable: Values that count, shape (e,).
        otherwise: For tensors with too few of them.
    """
    parts = np.split(values, near.starts[1:])
    flags = np.split(usable, near.starts[1:])
    return np.array([
        _densest(part[flag]) if flag.sum() >= 3 * _LIMITS.min_tensor_elements else otherwise
        for part, flag in zip(parts, flags, strict=True)
    ])  # fmt: skip


def _densest(values: Doubles) -> float:
    """Return the middle of the shortest interval that holds a tenth of some values."""
    ordered = np.sort(values)
    count = max(_LIMITS.min_tensor_elements, len(ordered) // 10)
    at = int(np.argmin(ordered[count - 1 :] - ordered[: len(ordered) - count + 1]))
    return float(np.median(ordered[at : at + count]))
