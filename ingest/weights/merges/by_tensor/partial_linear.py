"""Linear merges that some tensors show: a part of them was an adapter, or they were trained on in other tensors.

mergekit adds an adapter to a model before it merges (`model+adapter`). What the adapter changes is in no model of the
family. The tensors that it leaves alone are a linear merge up to rounding, with the same weights in all of them.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.merges.by_tensor.tensor_weights import local_grams
from ingest.weights.merges.merge import Merge
from ingest.weights.merges.near_models import NearModels
from ingest.weights.parameters.merge_parameters import MERGE

_LIMITS = MERGE.tensor_weights
PARTIAL_LINEAR = "partial_linear"
"""Our name of the method, as mergekit calls it linear."""


def find_partial_linear(near: NearModels) -> Merge | None:
    """Return the linear merge of two models that some tensors of a model are, up to rounding, or None.

    A tensor counts where both models are far from it, against what is left. One weight for some thousand elements
    leaves nothing to chance. So one tensor is enough, as is left where an adapter changed all layers.

    Tensors that two models shrank by weight decay alone lie on one line with the origin, and do not count. Experts that
    nothing is routed to are such tensors.

    Args:
        near: The model and the models near it.
    """
    near = near.thinned(_LIMITS.search_elements)
    with_origin = local_grams(near, "tensor")
    grams = with_origin[:, :-1, :-1]
    sizes = near.sizes[:, None, None]
    lengths = np.einsum("gii->gi", grams)
    apart = lengths[:, :, None] + lengths[:, None] - 2 * grams
    residual = np.maximum(lengths[:, :, None] * lengths[:, None] - grams * grams, 0) / np.maximum(apart, 1e-30)
    # Weight of the first of each pair, by affine least squares with the model as origin.
    weight = (lengths[:, None] - grams) / np.maximum(apart, 1e-30)
    is_between = (weight > MERGE.min_weight) & (weight < 1 - MERGE.min_weight)
    exact = is_between & (residual < _LIMITS.max_partial_mean_square * sizes)
    exact &= residual < _LIMITS.max_partial_ratio * np.minimum(lengths[:, :, None], lengths[:, None])
    exact &= _decay_cosines(with_origin, apart) < _LIMITS.max_decay_cosine
    counts = exact.sum(0)
    for place in np.argsort(-counts, axis=None, kind="stable")[: MERGE.beam_width]:
        first, second = np.unravel_index(int(place), counts.shape)
        weights = weight[exact[:, first, second], first, second]
        if not len(weights):
            return None
        centre = float(np.median(weights))
        if np.abs(weights - centre).max() < _LIMITS.constant_weight_tolerance:
            parents = (near.rows[int(first)], near.rows[int(second)])
            left = 1 - float(near.sizes[exact[:, first, second]].sum() / near.sizes.sum())
            return Merge(parents, (centre, 1 - centre), None, PARTIAL_LINEAR, left, 1 - left, _LIMITS.loose_complexity)
    return None


def _decay_cosines(grams: Doubles, apart: Doubles) -> Doubles:
    """Return the cosines of two models' difference with the first of them, shape (t, m, m).

    Args:
        grams: Inner products with the merge as origin of coordinates; the last model is zero, shape (t, m + 1, m + 1).
        apart: Squared distances of the m models, shape (t, m, m).
    """
    inner, origin = grams[:, :-1, :-1], grams[:, :-1, -1]
    lengths = np.einsum("gii->gi", inner)
    norms = lengths - 2 * origin + grams[:, -1, -1][:, None]
    along = lengths[:, :, None] - inner - origin[:, :, None] + origin[:, None]
    return np.asarray(np.abs(along) / np.sqrt(np.maximum(apart * norms[:, :, None], 1e-30)))
