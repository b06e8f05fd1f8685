"""Merges whose elements are each explained by some of the parents: TIES, DARE, DELLA, Breadcrumbs, SCE, Arcee Fusion.

With the base as origin, each element of such a merge is nothing, one parent's task vector times a factor, or a
combination of several. The combination is the sum of the terms, or their mean by weights that add up to one. Rescaling
by the L1 norm, as mergekit 0.1.5 does it, gives a parent a factor of its own in each tensor.

The factor is where ratios to a parent's task vector pile up in a tensor. Given all factors, an element either equals
one of the possible values up to rounding, or it does not. In float32 chance hardly ever explains one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        by_chance: Share that would be explained by chance: the width of all explanations over the element's size.
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
    by_chance: float

    @property
    def score(self) -> float:
        """Mean of both shares: the one is blind to elements near rounding, the other takes chance for explanation."""
        return (self.explained + self.of_changed) / 2

    @property
    def information(self) -> float:
        """What the explanation states about an element beyond chance, in nats: a Kullback-Leibler divergence.

        By it factors that are known roughly compare with exact ones, which explain fewer elements but none by chance.
        """
        share, chance = np.clip([self.score, max(self.by_chance, _LIMITS.min_chance)], 1e-9, 1 - 1e-9)
        if share <= chance:
            return 0.0
        return float(share * np.log(share / chance) + (1 - share) * np.log((1 - share) / (1 - chance)))

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
    are_exact = True
    factors = np.empty((len(scales), len(near.sizes)))
    for at, (_, scale) in enumerate(scales):
        found = _factor_of_tensors(near, target, deltas[at], scale, error, changed, is_final=is_final)
        if found is None:
            return None
        factors[at], is_exact = found
        are_exact &= is_exact
    terms = near.spread(factors) * deltas
    exact = _LIMITS.relative_tolerance if are_exact else _LIMITS.search_tolerance
    of_dtype = {"BF16": _LIMITS.bfloat16_tolerance, "F16": _LIMITS.float16_tolerance}
    matcher = _Matcher(target, error, changed, of_dtype.get(near.dtype, exact))
    for at, term in enumerate(terms):
        matcher.offer(term, 1 << at)
    shares = dict[tuple[int, int], Doubles]()
    if is_mean:
        averaged = _offer_means(near, matcher, terms, _LIMITS.fine_windows if are_exact else _LIMITS.coarse_windows)
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
    by_chance = float((matcher.covered[counted] / size[counted]).mean())
    places, covered, used = tuple(place for place, _ in scales), matcher.covered, matcher.used
    return Mixture(
        base, places, is_mean, factors, shares, terms, covered, used, informative, explained, of_changed, by_chance
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


def _offer_means(
    near: NearModels, matcher: _Matcher, terms: Doubles, windows: Sequence[float]
) -> dict[tuple[int, int], Doubles] | None:
    """Offer the weighted means of parents, with weights found from the elements that single parents leave.

    Args:
        near: The model and the models near it.
        matcher: Takes the means.
        terms: Task vectors times their factors, shape (k, e).
        windows: Relative differences from a mean within which elements agree with it.

    Returns:
        The weight of the first of each pair in each tensor, or None where they cannot be found.
    """
    shares = dict[tuple[int, int], Doubles]()
    for first, second in combinations(range(len(terms)), 2):
        weight = _weight_between(near, matcher, terms[first], terms[second], windows)
        if weight is not None:
            shares[first, second] = weight
            matcher.offer(_mean(near, weight, terms[first], terms[second]), (1 << first) | (1 << second))
    if len(terms) == 2 or not shares:
        return shares or None
    weights = _weights_of_three(near, matcher, terms, shares, windows)
    if weights is None:
        return None
    for first, second in combinations(range(3), 2):
        shares[first, second] = weights[first] / (weights[first] + weights[second])
        value = _mean(near, shares[first, second], terms[first], terms[second])
        matcher.offer(value, (1 << first) | (1 << second))
    matcher.offer((near.spread(weights) * terms).sum(0), 7)
    return shares


def _mean(near: NearModels, weight: Doubles, first: Doubles, second: Doubles) -> Doubles:
    """Return the mean of two values of all elements by the weight of the first in each tensor, shape (e,)."""
    spread = near.spread(weight)
    return np.asarray(spread * first + (1 - spread) * second)


def _weights_of_three(
    near: NearModels,
    matcher: _Matcher,
    terms: Doubles,
    shares: Mapping[tuple[int, int], Doubles],
    windows: Sequence[float],
) -> Doubles | None:
    """Return the weights of three parents in each tensor, those that most elements agree with, shape (3, t).

    They follow from the weights of two pairs. A parent of little weight shows only beside both others: then they follow
    from one pair, and its mean with the third.

    Args:
        near: The model and the models near it.
        matcher: Elements, and which of them are explained.
        terms: Task vectors times their factors, shape (3, e).
        shares: Weight of the first of each pair that was found, by the two, shape (t,).
        windows: Relative differences from a mean within which elements agree with it.
    """
    options = []
    for (first, second), share in shares.items():
        third = 3 - first - second
        mean = _mean(near, share, terms[first], terms[second])
        of_pair = _weight_between(near, matcher, mean, terms[third], windows)
        if of_pair is not None:
            weights = {first: of_pair * share, second: of_pair * (1 - share), third: 1 - of_pair}
            options.append(np.stack([weights[at] for at in range(3)]))
    for one, other in combinations(shares, 2):
        (middle,) = set(one) & set(other)
        odds = {middle: np.ones(len(near.sizes))}
        for first, second in (one, other):
            ratio = shares[first, second] / (1 - shares[first, second])
            odds[second if first == middle else first] = 1 / ratio if first == middle else ratio
        options.append(np.stack([odds[at] for at in range(3)]) / sum(odds.values()))
    values = [(near.spread(each) * terms).sum(0) for each in options]
    agree = [int(((np.abs(matcher.target - each) <= matcher.error) & (matcher.used < 0)).sum()) for each in values]
    return options[int(np.argmax(agree))] if options else None


def _weight_between(
    near: NearModels, matcher: _Matcher, first: Doubles, second: Doubles, windows: Sequence[float]
) -> Doubles | None:
    """Return the weight of the first of two values in each tensor, shape (t,), None where their mean explains nothing.

    Args:
        near: The model and the models near it.
        matcher: Elements, and which of them are explained.
        first: Shape (e,).
        second: Shape (e,).
        windows: Relative differences from the mean within which elements agree with it.
    """
    between, rest = first - second, matcher.target - second
    usable = (matcher.used < 0) & (np.abs(between) > _LIMITS.min_delta * matcher.error)
    fraction = np.where(usable, rest / np.where(usable, between, 1), -1)
    usable &= (fraction > _LIMITS.min_share) & (fraction < 1 - _LIMITS.min_share)
    if usable.sum() < _LIMITS.min_elements:
        return None
    likely = [_densest(fraction[usable], share) for share in _LIMITS.densest_shares]
    starts = [np.full(len(near.sizes), each) for each in likely]
    starts.append(_densest_of_tensors(near, fraction, usable, likely[-1]))
    fits = [_refine(near, rest, between, start, matcher.error, usable, windows) for start in starts]
    refined = _exactest(near, rest, between, matcher.error, usable, [fit for fit in fits if fit is not None])
    return None if refined is None else np.clip(refined, _LIMITS.min_share, 1 - _LIMITS.min_share)


def _factor_of_tensors(
    near: NearModels,
    target: Doubles,
    delta: Doubles,
    scale: float,
    error: Doubles,
    changed: Flags,
    *,
    is_final: bool,
) -> tuple[Doubles, bool] | None:
    """Return the factor of a task vector in each tensor, and whether it is exact up to rounding.

    Returns:
        Shape (t,), and the flag; None where the task vector explains hardly any element.
    """
    start = np.full(len(near.sizes), scale)
    if scale == 1:
        return start, True
    usable = changed & (np.abs(delta) > _LIMITS.min_delta * error)
    if near.dtype:
        # Sixteen bits make ratios of their own pile up, that of one above all.
        windows = _LIMITS.rounded_windows if is_final else _LIMITS.coarse_windows
        found = _refine(near, target, delta, start, error, usable, windows)
        return None if found is None else (found, True)
    ratio = target / np.where(usable, delta, 1)
    window = usable & (np.abs(ratio - scale) < _LIMITS.max_rescale * scale)
    shared = _factor_of_all(near, target, delta, ratio, error, window)
    if not is_final:
        found = _refine(near, target, delta, start, error, usable, _LIMITS.coarse_windows) if shared is None else shared
        return None if found is None else (found, shared is not None)
    start = _densest_of_tensors(near, ratio, window, scale)
    # Where another parent's step is small, wide windows mix elements with it and without.
    fits = [_refine(near, target, delta, start, error, usable, windows)
            for windows in (_LIMITS.fine_windows, _LIMITS.exact_windows)]  # fmt: skip
    found = _exactest(near, target, delta, error, usable, [fit for fit in (*fits, shared) if fit is not None])
    if found is None:
        return None
    # Without rescaling all tensors have one factor, which few elements of one tensor tell less well.
    centre = np.median(found)
    is_one = (np.abs(found - centre) < _LIMITS.same_factor_tolerance * abs(centre)).mean() > _LIMITS.min_same_factor
    return (np.full_like(found, centre) if is_one else found), True


def _factor_of_all(
    near: NearModels, target: Doubles, delta: Doubles, ratio: Doubles, error: Doubles, window: Flags
) -> Doubles | None:
    """Return the one factor of a task vector in all tensors, shape (t,), None where it is not the same up to rounding.

    Args:
        near: The model and the models near it.
        target: Values that are explained, shape (e,).
        delta: What they are multiples of, shape (e,).
        ratio: One over the other, shape (e,).
        error: Largest rounding error of the values, shape (e,).
        window: Elements whose ratio may be the factor, shape (e,).
    """
    if window.sum() < _LIMITS.min_elements:
        return None
    likely = [np.full(len(near.sizes), _densest(ratio[window], share)) for share in _LIMITS.densest_shares]
    agree = [window & (np.abs(target - near.spread(each) * delta) <= error) for each in likely]
    best = max(agree, key=np.count_nonzero)
    in_tensors = near.tensor_sums(best)[near.tensor_sums(window) >= _LIMITS.min_tensor_elements] > 0
    if best.sum() < _LIMITS.min_elements or in_tensors.mean() < _LIMITS.min_same_factor:
        return None
    factor = float((target * delta)[best].sum() / np.square(delta[best]).sum())
    # Where each tensor has a factor of its own, some are near it, and few equal it.
    around = window & (np.abs(ratio - factor) <= _LIMITS.coarse_windows[-1] * factor)
    return np.full(len(near.sizes), factor) if best.sum() > _LIMITS.min_exact_share * around.sum() else None


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


def _densest(values: Doubles, share: float = 0.1) -> float:
    """Return the middle of the shortest interval that holds a share of some values."""
    ordered = np.sort(values)
    count = max(_LIMITS.min_tensor_elements, int(len(ordered) * share))
    at = int(np.argmin(ordered[count - 1 :] - ordered[: len(ordered) - count + 1]))
    return float(np.median(ordered[at : at + count]))
