"""Which recipe left which elements: how task vectors were thinned out, and how those that are left were combined.

Thinned out: TIES keeps the greatest elements of a tensor, and Breadcrumbs all but the greatest and the smallest. DARE
keeps any, and DELLA the greater ones more often. SCE keeps those where parents differ most. Combined: added, or only
those that agree in sign. The names are those of mergekit 0.1.5; where two of them leave the same elements, the method
is their class.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Flags
from ingest.weights.merges.element_mixture import Mixture
from ingest.weights.merges.merge import Merge
from ingest.weights.merges.near_models import NearModels
from ingest.weights.parameters.merge_parameters import MERGE

_LIMITS = MERGE.elements
_METHODS = {
    ("random", False): "dare_linear",
    ("random", True): "dare_ties",
    ("magnitude", False): "breadcrumbs",
    ("magnitude", True): "ties",
    ("band", False): "breadcrumbs",
    ("band", True): "breadcrumbs_ties",
    ("rank", False): "della_linear",
    ("rank", True): "della",
}
"""Method by how elements were thinned out, and whether their signs were made to agree."""

_AGREEING = "breadcrumbs_ties|dare_ties|della|ties"
"""All methods that make signs agree."""

ELEMENT_METHODS = frozenset({*_METHODS.values(), "sce", "dare"})
"""Methods that change elements one by one; dare stands for that of a quantized merge."""


def merge_of(near: NearModels, mixture: Mixture) -> Merge:
    """Return a mixture as a merge, with its method.

    A model that is a mixture of its base and one other is a merge of these two.
    """
    base, rows = near.rows[mixture.base], [near.rows[place] for place in mixture.parents]
    weights = [float(np.median(factor)) for factor in mixture.factors]
    residual, complexity = 1 - mixture.of_changed, len(rows) - 1
    if len(rows) == 1:
        if _is_fusion(mixture):
            share = mixture.share_of(0) * float((mixture.used != 0).mean())
            return Merge((base, rows[0]), (1 - share, share), None, "arcee_fusion", residual, mixture.explained, 1)
        return Merge(tuple(rows), tuple(weights), base, method_of(near, mixture), residual, mixture.explained, 1)
    ordered = sorted(zip(rows, weights, strict=True), key=lambda item: -item[1])
    parents, factors = zip(*ordered, strict=True)
    return Merge(parents, factors, base, method_of(near, mixture), residual, mixture.explained, complexity)


def method_of(near: NearModels, mixture: Mixture) -> str:
    """Return the method that left the elements of a mixture as they are."""
    kinds = {_thinning(near, mixture, at) for at in range(len(mixture.parents))}
    kind = kinds.pop() if len(kinds) == 1 else ""
    if mixture.is_mean and np.abs(mixture.factors - 1).max() < _LIMITS.unit_factor_tolerance:
        # DARE and DELLA rescale: their factors are not one.
        return _mean_method(near, mixture, kind)
    agrees = _signs_agree(mixture)
    if agrees is None:
        return "|".join(sorted({name for (how, _), name in _METHODS.items() if how == kind})) or _AGREEING
    return _METHODS.get((kind, agrees), _AGREEING if agrees else "breadcrumbs|dare_linear|della_linear")


def _mean_method(near: NearModels, mixture: Mixture, kind: str) -> str:
    """Return SCE, TIES or both for means of task vectors that are not rescaled.

    Weights of SCE follow from the energies of what is left of task vectors, those of TIES are the same in all tensors.

    Args:
        near: The model and the models near it.
        mixture: Its explanation.
        kind: How all task vectors were thinned out, empty where they differ.
    """
    scatter = max(float(np.ptp(share)) for share in mixture.shares.values())
    if not _is_weighted_by_energy(near, mixture):
        return "ties"
    return "sce" if scatter > _LIMITS.energy_tolerance or kind == "rank" else "sce|ties"


def _signs_agree(mixture: Mixture) -> bool | None:
    """Whether elements where parents' terms have different signs are hardly ever combined, None without such."""
    if len(mixture.parents) < 2:
        return None
    signs = np.sign(mixture.terms)
    opposed = (signs.min(0) < 0) & (signs.max(0) > 0) & mixture.informative
    several = (mixture.used > 0) & (mixture.used & (mixture.used - 1) != 0)
    both = [signs[at] * ((mixture.used >> at) & 1) for at in range(len(signs))]
    mixed = several & (np.min(both, 0) < 0) & (np.max(both, 0) > 0)
    if opposed.sum() < _LIMITS.min_elements:
        return None
    return float(mixed[opposed].mean()) < _LIMITS.max_opposed_share


def _thinning(near: NearModels, mixture: Mixture, parent: int) -> str:
    """Return how a parent's task vector was thinned out, by the share of elements kept at each rank of magnitude.

    Only elements where all other parents agree in sign or are small are looked at, as others may have been outvoted.
    """
    size = np.abs(mixture.terms[parent])
    others = np.delete(mixture.terms, parent, 0)
    outvoted = ((others * np.sign(mixture.terms[parent])) < 0).any(0)
    clear = (mixture.covered < _LIMITS.max_chance * size) & (mixture.used >= 0) & ~outvoted
    kept = (mixture.used >> parent) & 1 == 1
    ranks = _ranks(near, size)
    counts, edges = np.histogram(ranks[clear], bins=_LIMITS.rank_bins, range=(0, 1))
    hits = np.histogram(ranks[clear & kept], bins=edges)[0]
    rates = hits / np.maximum(counts, 1)
    top = clear & (ranks > _LIMITS.outlier_rank)
    is_sharp = rates.min() < _LIMITS.max_dropped_rate and np.sort(rates)[-3] > 1 - _LIMITS.max_dropped_rate
    if is_sharp or rates[-3:].min() - rates[0] > _LIMITS.sharp_rise:
        cut = top.sum() >= 5 and float(kept[top].mean()) < 0.5
        return "band" if cut else "magnitude"
    rise = float(np.polyfit(np.arange(len(rates)), rates, 1)[0] * len(rates))
    return "rank" if rise > _LIMITS.min_rise else "random"


def _ranks(near: NearModels, size: Doubles) -> Doubles:
    """Return the rank of each element within its tensor, from 0 for the smallest to 1, shape (e,)."""
    parts = np.split(size, near.starts[1:])
    return np.concatenate([part.argsort().argsort() / max(len(part) - 1, 1) for part in parts])


def _is_weighted_by_energy(near: NearModels, mixture: Mixture) -> bool:
    """Whether parents' weights in each tensor are those of SCE: the mean squares of what is left of task vectors."""
    kept: Flags = mixture.used != 0
    energy = near.tensor_sums(np.square(mixture.terms) * kept)
    pairs = mixture.shares.items()
    off = [np.median(np.abs(share - energy[a] / np.maximum(energy[a] + energy[b], 1e-30))) for (a, b), share in pairs]
    return bool(max(off) < _LIMITS.energy_tolerance)


def _is_fusion(mixture: Mixture) -> bool:
    """Whether each element is one of two models' own."""
    return bool(np.abs(np.median(mixture.factors) - 1) < _LIMITS.unit_factor_tolerance)
