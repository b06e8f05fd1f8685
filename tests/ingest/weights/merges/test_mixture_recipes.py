"""A mixture of a base and one other model is Arcee Fusion where elements are the other's own."""

from __future__ import annotations

import numpy as np

from ingest.weights.merges.element_mixture import fit_mixture
from ingest.weights.merges.mixture_recipes import merge_of
from tests.support.mergekit import arcee_fusion
from tests.support.near_models import near_models, related


def test_elements_of_two_models_are_a_fusion() -> None:
    base, one = related(1)
    near = near_models(np.asarray(arcee_fusion(base.astype(np.float32), one.astype(np.float32))), [base, one])
    mixture = fit_mixture(near, 0, [(1, 1.0)], is_mean=False, is_final=True)
    assert mixture is not None
    merge = merge_of(near, mixture)
    assert (merge.method, merge.parents, merge.base) == ("arcee_fusion", (0, 1), None)
    assert sum(merge.weights) == 1
