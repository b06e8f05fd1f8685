"""Search for the base and the parents that explain a model element by element.

The base is a model that many elements equal to the last bit, once it is rounded as the merge's inputs were. Where one
parent's task vector alone is left, the model's is a multiple of it. So ratios of the two pile up at its factor, which
names the parents. Parents are fitted alone first, then the best of them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from atlas_db.core.arrays import Doubles, Flags
from ingest.weights.merges.element_mixture import Mixture, fit_mixture
from ingest.weights.merges.merge import Merge
from ingest.weights.merges.mixture_recipes import merge_of
from ingest.weights.merges.near_models import NearModels, is_shared
from ingest.weights.merges.ties_dare import log_ratio_peaks
from ingest.weights.parameters.merge_parameters import MERGE

_LIMITS = MERGE.elements
Scales = list[tuple[float, float]]
"""Possible factors of one parent, each with the share of elements that pile up there."""


def find_mixture(near: NearModels) -> Merge | None:
    """Return the merge that explains nearly all elements of a model, or None.

    Args:
        near: The model and the models near it.
    """
    equal = equal_shares(near)
    ordered = np.argsort(-equal, kind="stable").tolist()
    bases = [place for place in ordered if is_shared(equal, float(equal[place])) and _is_dense(near, place)]
    if not bases:
        return None
    swapped = find_nearswap(near, bases)
    if swapped is not None:
        return swapped
    thin = near.thinned(_LIMITS.search_elements)
    best: Mixture | None = None
    for base in [*bases[: _LIMITS.max_bases], None]:
        found = _means_of_own(thin, bases) if base is None else _mixtures_from(thin, base, bases)
        for each in _finalists(found):
            final = fit_mixture(near, each.base, _scales_of(each), is_mean=each.is_mean, is_final=True)
            if final is not None and _is_explained(near, final) and _is_better(final, best):
                best = final
        if best is not None and best.score > _LIMITS.certain_score:
            break
    if best is None:
        return None
    if best.is_mean and (best.used == 0).mean() < _LIMITS.min_equal_share:
        best = best._replace(base=_base_by_signs(near, best))
    merge = merge_of(near, best)
    # What coarse rounding leaves fits a third parent by chance.
    return merge if merge.residual < _LIMITS.max_residual_of_three or len(merge.parents) < 3 else None


def _finalists(found: Sequence[Mixture]) -> list[Mixture]:
    """Return the best of some explanations, and the best of each number of parents: by chance three explain more."""
    distinct = {_rounded(each): each for each in sorted(found, key=_sort_key, reverse=True)}
    ordered = sorted(distinct.values(), key=_sort_key)
    best_of_size = {len(each.parents): each for each in reversed(ordered)}
    best = ordered[: _LIMITS.max_finalists]
    return best + [each for each in best_of_size.values() if all(each is not other for other in best)]


def _rounded(mixture: Mixture) -> tuple[bool, frozenset[tuple[int, float]]]:
    """Return what sets explanations apart: parents with roughly their factors, and how they are combined."""
    return mixture.is_mean, frozenset((place, round(scale, 1)) for place, scale in _scales_of(mixture))


def _sort_key(mixture: Mixture) -> tuple[float, bool, float]:
    """Order of explanations: those of most elements, then sums before means, then equal factors."""
    scales = [scale for _, scale in _scales_of(mixture)]
    return -round(mixture.information, 2), mixture.is_mean, max(scales) - min(scales)


def _base_by_signs(near: NearModels, mixture: Mixture) -> int:
    """Return the model from which averaged task vectors agree in sign, where no element is its own."""
    averaged = (mixture.used > 0) & (mixture.used & (mixture.used - 1) != 0)
    first, second = (near.values[place][averaged] for place in mixture.parents[:2])
    others = [place for place in range(len(near.rows)) if place not in mixture.parents][: _LIMITS.max_swapped]
    origins = (near.values[place][averaged] for place in others)
    opposed = [float(((first > origin) != (second > origin)).mean()) for origin in origins]
    return others[int(np.argmin(opposed))]


def equal_shares(near: NearModels) -> Doubles:
    """Return the share of elements in which a model equals each model near it, up to its rounding, shape (m,)."""
    return np.asarray((np.abs(near.values - near.target) <= near.error).mean(1), np.float64)


def find_nearswap(near: NearModels, swapped: Sequence[int]) -> Merge | None:
    """Return the NearSwap merge that a model is, or None.

    NearSwap moves each element of one model towards another's, by a fixed step at most. So it equals the other where
    the two are nearer than that, and is a step away from the first elsewhere.

    Args:
        near: The model and the models near it.
        swapped: Places of models that many elements are equal to.
    """
    thin = near.thinned(_LIMITS.search_elements)
    found = [merge for other in swapped[: _LIMITS.max_bases] for merge in _nearswaps_to(near, thin, other)]
    # A merge of a parent has many of its elements, too.
    return max(found, key=lambda merge: merge.explained, default=None)


def _nearswaps_to(near: NearModels, thin: NearModels, other: int) -> Iterator[Merge]:
    """Yield the NearSwaps of some model with another one that explain a model.

    Args:
        near: The model and the models near it.
        thin: The same at fewer elements.
        other: Place of the model that elements are moved to.
    """
    for first in range(min(len(near.rows), _LIMITS.max_swapped)):
        if first == other or _steps_explained(thin, first, other) < _LIMITS.min_explained:
            continue
        explained = _steps_explained(near, first, other)
        if explained > _LIMITS.min_explained:
            share = float(equal_shares(near)[other])
            rows = (near.rows[first], near.rows[other])
            yield Merge(rows, (1 - share, share), None, "nearswap", 0.0, explained, 1.0)


def _steps_explained(near: NearModels, first: int, other: int) -> float:
    """Return the share of elements that are one fixed step from a model towards another, of those that differ."""
    step = (near.target - near.values[first]).astype(np.float64)
    towards = (near.values[other] - near.values[first]).astype(np.float64)
    tolerance = _LIMITS.swap_roundings * near.error
    moved = np.abs(near.target - near.values[other]) > near.error
    clear = moved & (tolerance < _LIMITS.max_chance * np.abs(step))
    if clear.sum() < _LIMITS.min_elements:
        return 0.0
    size = float(np.median(np.abs(step[clear])))
    is_step = (np.abs(np.abs(step) - size) <= tolerance) & (step * towards > 0)
    return float(is_step[clear].mean())


def _is_dense(near: NearModels, place: int) -> bool:
    """Whether a model is not pruned: a pruned one shares zeros with every copy."""
    return float((near.values[place] == 0).mean()) < _LIMITS.max_zero_share


def _mixtures_from(near: NearModels, base: int, own: Sequence[int]) -> list[Mixture]:
    """Return explanations from one base: of single parents, and of the best of them together.

    Args:
        near: The model and the models near it.
        base: Place of the base.
        own: Places of the models that share elements with the model, so that their factor may be one.
    """
    target = (near.target - near.values[base]).astype(np.float64)
    changed = np.abs(target) > _LIMITS.rounding_factor * near.error
    scales = {place: [(1.0, 1.0)] for place in own if place != base}
    for place in range(len(near.rows)):
        if place != base:
            scales.setdefault(place, []).extend(_scale_peaks(near, target, place, base, changed))
    likely = sorted((place for place in scales if scales[place]), key=lambda place: -scales[place][0][1])
    singles = [
        each
        for place in likely[: _LIMITS.max_likely_parents]
        for scale, _ in scales[place]
        for each in _fits(near, base, [(place, scale)])
    ]
    singles = [each for each in singles if each.explained > _LIMITS.min_parent_share]
    singles.sort(key=lambda each: -each.information)
    best = list(dict.fromkeys(each.parents[0] for each in singles))[: _LIMITS.max_parents]
    options = [scale for each in singles if each.parents[0] in best for scale in _scales_of(each)]
    pairs = [fit for pair in combinations(options, 2) if pair[0][0] != pair[1][0] for fit in _fits(near, base, pair)]
    for single in singles[: _LIMITS.max_extended_pairs]:
        further = _further_parents(near, target, single)
        pairs += [fit for each in further for fit in _fits(near, base, [*_scales_of(single), each])]
        options += further
    pairs.sort(key=lambda each: -each.information)
    made = [*singles[:1], *pairs]
    # A relative of a parent shares elements with a merge, too: it may stand in the best pair, not in the best three.
    if pairs and pairs[0].information > made[0].information:
        tried = set[frozenset[tuple[int, float]]]()
        for is_mean in (False, True):
            for together in [each for each in pairs if each.is_mean == is_mean][: _LIMITS.max_extended_pairs]:
                for third in (*options, *_further_parents(near, target, together)):
                    three = [*_scales_of(together), third]
                    if third[0] not in together.parents and frozenset(three) not in tried:
                        tried.add(frozenset(three))
                        made += _fits(near, base, three)
    return made


def _further_parents(near: NearModels, target: Doubles, known: Mixture) -> list[tuple[int, float]]:
    """Return possible further parents with their factors, by what the known parents leave.

    Recipes that drop few elements hardly leave any to one parent alone, so that its factor shows only in what the sum
    of the others leaves. Means of whole task vectors have factors of one.

    Args:
        near: The model and the models near it.
        target: The model's task vector, shape (e,).
        known: Explanation by one or two parents.
    """
    others = [place for place in range(len(near.rows)) if place not in (known.base, *known.parents)]
    left = known.used < 0
    if known.is_mean:
        is_whole = bool((known.factors == 1).all())
        return [(place, 1.0) for place in others[: _LIMITS.max_swapped]] if is_whole else []
    rest = target - known.terms.sum(0)
    return [
        (place, scale)
        for place in others[: _LIMITS.max_swapped]
        for scale, _ in _scale_peaks(near, rest, place, known.base, left)[:1]
    ]


def _means_of_own(near: NearModels, own: Sequence[int]) -> list[Mixture]:
    """Return explanations by means of models that some elements are equal to, from a base that none is equal to.

    SCE and TIES without trimming leave no element at the base. A mean of parents does not depend on the base. So it is
    the model from which the signs of averaged task vectors agree. A third parent need not have elements of its own.

    Args:
        near: The model and the models near it.
        own: Places of the models that share elements with the model.
    """
    others = [place for place in range(len(near.rows)) if place not in own][: _LIMITS.max_swapped]
    if len(own) < 2 or not others:
        return []
    made = []
    for base in [others[0], *own[:3]] if len(own) > 2 else others[:1]:
        parents = [place for place in own if place != base][:2]
        known = [(place, 1.0) for place in parents]
        made += _fits(near, base, known)
        for place in others:
            if place not in (base, *parents):
                made += _fits(near, base, [*known, (place, 1.0)])[1:]
    return made


def _scales_of(mixture: Mixture) -> list[tuple[int, float]]:
    """Return the places of a mixture's parents, each with the median of its factors."""
    return [(place, float(np.median(each))) for place, each in zip(mixture.parents, mixture.factors, strict=True)]


def _fits(near: NearModels, base: int, scales: Sequence[tuple[int, float]]) -> list[Mixture]:
    """Return the explanation by sums, and that by means where there are several parents."""
    kinds = (False, True) if len(scales) > 1 else (False,)
    fits = (fit_mixture(near, base, scales, is_mean=is_mean, is_final=False) for is_mean in kinds)
    return [fit for fit in fits if fit is not None]


def _scale_peaks(near: NearModels, target: Doubles, place: int, base: int, changed: Flags) -> Scales:
    """Return the peaks of a histogram of log ratios, which are possible factors, the highest first.

    The highest need not be the factor: where parents are related, most elements mix several of them.

    Args:
        near: The model and the models near it.
        target: The model's task vector, shape (e,).
        place: Place of the possible parent.
        base: Place of the base.
        changed: Elements that are not the base's, shape (e,).
    """
    delta = (near.values[place] - near.values[base]).astype(np.float64)
    usable = changed & (np.abs(delta) > _LIMITS.min_delta * near.error) & (target * delta > 0)
    bound = _LIMITS.max_log_ratio
    logs = np.log(target[usable] / delta[usable])
    kept = np.abs(logs) < bound
    logs = logs[kept]
    if len(logs) < _LIMITS.min_elements:
        return []
    error = float(np.median((near.error[usable] / np.abs(delta[usable]))[kept]))
    return log_ratio_peaks(logs, error, _LIMITS, _LIMITS.max_scales)


def _is_better(mixture: Mixture, best: Mixture | None) -> bool:
    """Whether an explanation is better than another: a further parent has to explain half of what is left."""
    if best is None:
        return True
    left, best_left = 1 - mixture.score, 1 - best.score
    further = len(mixture.parents) - len(best.parents)
    limit = best_left * _LIMITS.max_left**further if further > 0 else best_left
    if further < 0:
        return left * _LIMITS.max_left**-further <= best_left + _LIMITS.min_gain
    return left < limit - _LIMITS.min_gain * further


def _is_explained(near: NearModels, mixture: Mixture) -> bool:
    """Whether a mixture explains nearly all elements, and needs each of its parents."""
    is_exact = not near.dtype or len(mixture.parents) == 1
    limit = _LIMITS.min_exact_explained if is_exact else _LIMITS.min_explained
    if mixture.explained < limit or mixture.of_changed < limit * _LIMITS.min_of_changed:
        return False
    return all(mixture.share_of(at) > _LIMITS.min_parent_share for at in range(len(mixture.parents)))
