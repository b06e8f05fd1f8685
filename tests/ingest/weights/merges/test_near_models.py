"""Near models at fewer elements, and the share of elements that inputs of a merge leave."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.weights.merges.near_models import is_shared
from tests.support.near_models import near_models, related


def test_fewer_elements_are_whole_positions_of_every_tensor() -> None:
    base, one = related(1)
    near = near_models(one, [base])
    thin = near.thinned(1024)
    assert thin.sizes.tolist() == [256] * 4
    assert thin.starts.tolist() == [0, 256, 512, 768]
    assert np.array_equal(thin.target[:32], near.target[:32])
    assert np.array_equal(thin.target[32:64], near.target[128:160])
    assert near.thinned(len(near.target)) is near


@pytest.mark.parametrize(
    ("equal", "share", "expected"),
    [
        ([0.31, 0.3, 0.25, 0.0, 0.0], 0.25, True),
        ([0.04, 0.03, 0.03, 0.03, 0.03, 0.03], 0.04, False),
        ([0.0, 0.0], 0.0, False),
    ],
)
def test_what_most_models_share_names_no_input(equal: list[float], share: float, expected: bool) -> None:
    assert is_shared(np.array(equal), share) == expected
