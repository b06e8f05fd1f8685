"""Tests of `ingest/weights/tree/subtree_moves.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.weights.tree.subtree_moves import swap_parent_child
from tests.support.families import root, trained
from tests.support.trees import grown

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("known", [0.0, 2.0, 5.0])
def test_of_three_in_a_line_the_last_two_are_swapped_where_that_is_more_likely(tmp_path: Path, known: float) -> None:
    base = root(1)
    first = trained(base, 2, 0.3)
    models, found = [base, first, trained(first, 3, 0.3), trained(base, 4, 0.3)], []
    for number, (upper, lower) in enumerate(((1, 2), (2, 1))):
        family, tree = grown(tmp_path / str(number), models, {0: None, upper: 0, lower: upper, 3: 0})
        family.precedence_log_odds[1, 2], family.precedence_log_odds[2, 1] = known, -known
        before = tree.snapshot()
        found.append(swap_parent_child(family, tree))
        assert tree.residual_base.tolist() == [-1, 0, 1, 0], "whichever way it was"
        if number == 0:
            assert (tree.containment == before.containment).all(), "all are where they were"
    listed = [each.get(1) for each in found]
    assert listed[0] is None if known == 5.0 else listed[0] == listed[1], "what is clear is not asked again"
    assert listed[1] is not None and listed[1][0] == 2 and 0 < listed[1][1] < 0.3, (
        "the other way round is possible, no more"
    )


def test_a_parent_below_the_cast_of_its_child_is_swapped_with_the_child(tmp_path: Path) -> None:
    base = root(1)
    first = trained(base, 2, 0.3)
    second = trained(first, 3, 0.3)
    models, cast = [base, first, second, second, trained(base, 4, 0.3)], 3
    wrong = {0: None, 2: 0, cast: 2, 1: cast, 4: 0}
    family, tree = grown(tmp_path, models, wrong, {cast: "F16"})
    assert family.relations.copies[cast][1].kind == "cast"
    del tree.choices[cast]
    swap_parent_child(family, tree)
    assert tree.residual_base.tolist() == [-1, 0, 1, 2, 0]
