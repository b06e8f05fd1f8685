"""Tests of `ingest/weights/pairwise/direction.py`."""

from __future__ import annotations

from pathlib import Path

from ingest.weights.pairwise.direction import precedence_features, small_singular_parts
from ingest.weights.samples.aligned_samples import sq_distances
from tests.support.changes import vectors
from tests.support.families import root, trained


def test_a_child_holds_its_parents_tail_and_not_the_other_way_round(tmp_path: Path) -> None:
    base = root(1)
    family = vectors(tmp_path, (base, "F32"), (trained(base, 2, 0.3), "F32"))
    measured = precedence_features(family, sq_distances(family), small_singular_parts(family))
    assert measured[0, 1, 0] and not measured[1, 0, 0]
    assert abs(measured[0, 1, 2]) < 0.1 and measured[1, 0, 2] < -0.5
