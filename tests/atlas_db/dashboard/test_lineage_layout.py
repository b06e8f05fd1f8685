"""Tests of `atlas_db/dashboard/lineage_layout.py`."""

from __future__ import annotations

from typing import Any

from atlas_db.dashboard.lineage_layout import CHILDREN_SHOWN, MAX_COLUMN_BOXES, draw_lineage
from atlas_db.lineage.traversal import ChildGroup, LineageStep
from tests.support.drawing import step


class _Relatives:
    def __init__(self, above: list[LineageStep], below: dict[str, list[ChildGroup]]) -> None:
        self.above, self.below = above, below

    def parents(self, model: str) -> list[LineageStep]:
        return [step for step in self.above if step.child == model]

    def children(self, model: str) -> list[ChildGroup]:
        return self.below.get(model, [])

    def has_children(self, models: Any) -> set[str]:
        return {model for model in models if model in self.below}


def test_fans_fold_and_open() -> None:
    below = {
        "me": [
            ChildGroup(
                "quantized",
                1437,
                [step(f"q{n}", "me", downloads=100 - n, relation="quantized") for n in range(MAX_COLUMN_BOXES)],
            )
        ],
        "q1": [ChildGroup("merge", 1, [step("deep", "q1", relation="merge")])],
    }
    relatives = _Relatives([step("me", "up"), step("up", "top")], below)
    closed = draw_lineage({"id": "me"}, relatives, [])
    boxes = {box.id: box for box in closed.boxes}
    assert len([box for box in closed.boxes if box.column == 1]) == CHILDREN_SHOWN + 1
    assert boxes["me +quantized"].label == f"+{1437 - CHILDREN_SHOWN:,} quantized"
    assert boxes["q1"].more
    assert not boxes["q2"].more
    assert boxes["up"].more
    assert "top" not in boxes
    opened = draw_lineage({"id": "me"}, relatives, ["q1", "up", "nobody"])
    ids = {box.id: box.column for box in opened.boxes}
    assert ids["deep"] == 2
    assert ids["top"] == -2
    assert (
        len([box for box in draw_lineage({"id": "me"}, relatives, [], "quantized").boxes if box.column == 1])
        == MAX_COLUMN_BOXES + 1
    )
    spots = [(box.x, box.y) for box in opened.boxes]
    assert len(set(spots)) == len(spots)


def test_a_ring_of_relatives_ends() -> None:
    relatives = _Relatives(
        [step("me", "a"), step("a", "me")], {"me": [ChildGroup("merge", 1, [step("a", "me")])], "a": []}
    )
    assert {box.id for box in draw_lineage({"id": "me"}, relatives, ["a", "me"]).boxes} == {"me", "a"}
