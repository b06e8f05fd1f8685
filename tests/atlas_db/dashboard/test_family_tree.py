"""Tests of `atlas_db/dashboard/family_tree.py`."""

from __future__ import annotations

import random

import pytest

from atlas_db.core.terms import ORIGIN_PREFIX
from atlas_db.dashboard.family_tree import COLUMN, MAX_GENERATIONS, MAX_HEIGHT, MIN_CELL, draw_family_trees
from atlas_db.lineage.traversal import Lineage
from tests.support.drawing import step


def _random_family(size: int) -> Lineage:
    rng = random.Random(5)
    steps, known = [], [("root", 0)]
    for number in range(size):
        parent, hops = known[min(int(rng.expovariate(0.3)), len(known) - 1)]
        known.append((f"m{number}", hops + 1))
        relation = rng.choice(("finetune", "quantized"))
        steps.append(step(f"m{number}", parent, hops + 1, int(10 ** rng.uniform(0, 6)), relation))
    return Lineage({"id": "root", "downloads": 10, "license": "mit"}, descendants=steps)


@pytest.mark.parametrize("size", [3, 400, 5000])
def test_cells_of_a_generation_do_not_overlap_and_hold_all_models(size: int) -> None:
    (tree,) = draw_family_trees([_random_family(size)], {})
    assert tree.models == size + 1
    assert tree.cells[0].models == tree.models
    columns: dict[float, list[tuple[float, float, int]]] = {}
    for cell in tree.cells:
        columns.setdefault(cell.x, []).append((cell.y, cell.height, cell.models))
    assert tree.width == max(columns) + COLUMN
    assert tree.height <= MAX_HEIGHT + MIN_CELL
    for column in columns.values():
        column.sort()
        assert all(
            y + height <= below + 1e-6 for (y, height, _), (below, _, _) in zip(column, column[1:], strict=False)
        )
    first = [cell for cell in tree.cells if cell.x == COLUMN]
    assert sum(cell.models for cell in first) == size, "children and folds are all that is not the root"


def test_two_families_share_one_scale() -> None:
    large = Lineage({"id": "a"}, descendants=[step(f"x{n}", "a", 1, n) for n in range(1999)])
    small = Lineage({"id": "b"}, descendants=[step(f"y{n}", "b", 1, n) for n in range(499)])
    one, two = draw_family_trees([large, small], {})
    assert one.cells[0].height == pytest.approx(4 * two.cells[0].height)
    (fold,) = one.cells[1:]
    assert (fold.kind, fold.models, fold.named) == ("fold", 1999, ["x1998", "x1997", "x1996"])


def test_a_long_chain_ends_with_what_lies_beyond() -> None:
    chain = [step(f"c{n}", f"c{n - 1}" if n else "root", n + 1) for n in range(40)]
    (tree,) = draw_family_trees([Lineage({"id": "root"}, descendants=chain)], {})
    assert len(tree.cells) == MAX_GENERATIONS
    assert tree.cells[-1].beyond == 41 - MAX_GENERATIONS
    assert len(tree.generations) == 41


def test_licences_relations_and_months_are_counted_and_unseen_roots_look_apart() -> None:
    origin = f"{ORIGIN_PREFIX}1"
    steps = [step("a", origin, 1), step("b", "a", 2, relation="quantized"), step("c", "a", 2)]
    found = Lineage({"id": origin, "placeholder": True}, descendants=steps)
    (tree,) = draw_family_trees([found], {"a": "2024-05-02", "b": "2024-05-30", "gone": "2020-01-01"})
    assert tree.cells[0].kind == "origin"
    assert tree.generations == [
        {"generation": 0, "not in this atlas": 1}, {"generation": 1, "permissive": 1}, {"generation": 2, "permissive": 2},
    ]  # fmt: skip
    assert tree.relations == {"finetune": 2, "quantized": 1}
    assert tree.months == [{"month": "2024-05", "finetune": 1, "quantized": 1}]
    assert {(row["parent"], row["child"]): row["models"] for row in tree.flow} == {
        ("not in this atlas", "permissive"): 1, ("permissive", "permissive"): 2,
    }  # fmt: skip


def test_a_model_of_two_lines_stands_once_under_the_nearest() -> None:
    steps = [step("a", "root", 1), step("m", "root", 1), step("m", "a", 2)]
    (tree,) = draw_family_trees([Lineage({"id": "root"}, descendants=steps)], {})
    assert tree.models == 3
    assert sorted(cell.id for cell in tree.cells) == ["a", "m", "root"]
