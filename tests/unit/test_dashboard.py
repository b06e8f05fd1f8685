"""The dashboard's pure parts: the curve, the layouts, what goes into a page."""

from __future__ import annotations

import json
import math
import random
import re
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_db.core.terms import Status
from atlas_db.dashboard import figures, map
from atlas_db.dashboard.family_graph import SIZE, draw_family_graph
from atlas_db.dashboard.lineage_layout import CHILDREN_SHOWN, MAX_COLUMN_BOXES, draw_lineage
from atlas_db.dashboard.map_layout import (
    capacity,
    hilbert_curve,
    name_keys,
    place_families,
    place_singletons,
    smallest_sheet,
)
from atlas_db.dashboard.templating import Exported, Served, data_block, file_of, shown
from atlas_db.lineage.traversal import ChildGroup, Lineage, LineageStep

HOSTILE = "<script>alert(1)</script>\"'&/../..%2e"


@given(st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=60)
def test_the_curve_visits_every_cell_once_and_hardly_jumps(width: int, height: int) -> None:
    cells = hilbert_curve(width, height)
    assert len({tuple(cell) for cell in cells.tolist()}) == width * height == len(cells)
    assert cells.min() == 0
    assert cells.max(axis=0).tolist() == [width - 1, height - 1]
    steps = np.abs(np.diff(cells, axis=0))
    assert steps.max(initial=0) <= 1
    if width % 2 == height % 2 == 0:
        assert set(steps.sum(axis=1).tolist()) <= {1}


@given(st.lists(st.integers(2, 3000), max_size=200), st.integers(0, 3000), st.integers(0, 2**32))
@settings(max_examples=60)
def test_every_model_has_a_cell_of_its_own_and_every_family_its_room(sizes: list[int], alone: int, seed: int) -> None:
    families = np.array(sizes, np.int64)
    sheet = smallest_sheet(int(capacity(families).sum()), alone)
    rng = np.random.default_rng(seed)
    heads = name_keys([f"org/{rng.integers(1 << 40)}" for _ in sizes])
    start = place_families(heads, families, sheet.families * sheet.height)
    taken = np.zeros(sheet.families * sheet.height, np.int64)
    for first, size in zip(start, capacity(families), strict=True):
        assert first % size == 0
        taken[first : first + size] += 1
    assert taken.max() <= 1
    assert taken.sum() == capacity(families).sum()
    authors = name_keys([f"a{rng.integers(50)}" for _ in range(alone)])
    cells = place_singletons(authors, rng.permutation(alone), sheet.singletons * sheet.height)
    assert len(np.unique(cells)) == alone
    assert alone == 0 or (cells.min() >= 0 and cells.max() < sheet.singletons * sheet.height)
    for author in np.unique(authors):
        own = np.sort(cells[authors == author])
        assert own[-1] - own[0] <= alone


def test_a_grown_atlas_leaves_nearly_all_families_where_they_are() -> None:
    rng = np.random.default_rng(7)
    names = [f"org{number % 700}/model-{number}" for number in range(6000)]
    before = np.minimum(2 + rng.pareto(1.1, 5500) * 2, 4000).astype(np.int64)
    after = np.concatenate((before + rng.binomial(before, 0.024), np.full(130, 2)))
    sheet = smallest_sheet(int(capacity(after).sum()), 0)
    cells, curve = sheet.families * sheet.height, hilbert_curve(sheet.families, sheet.height)
    old = place_families(name_keys(names[:5500]), before, cells)
    new = place_families(name_keys(names[: len(after)]), after, cells)[:5500]
    moved = np.hypot(*(curve[old] - curve[new]).T) / sheet.height
    assert (capacity(before) != capacity(after[:5500])).mean() > 0.02, "some outgrow their room"
    assert (moved == 0).mean() > 0.8
    assert np.quantile(np.repeat(moved, before), 0.95) < 0.05
    authors = name_keys([name.split("/")[0] for name in names])
    rank = np.arange(6000)
    lone_old, lone_new = (
        place_singletons(authors[:5800], rank[:5800], 8192),
        place_singletons(authors, rank, 8192)[:5800],
    )
    assert np.quantile(np.abs(lone_old - lone_new), 0.9) < 0.02 * 8192


def _step(child: str, parent: str, hops: int = 1, downloads: int = 0, relation: str = "finetune") -> LineageStep:
    return LineageStep(child, parent, relation, "declared", 0.9, hops, "mit", downloads, False)


def test_discs_of_a_region_do_not_overlap_and_stay_inside() -> None:
    rng = random.Random(5)
    steps, known = [], [("root", 0)]
    for number in range(400):
        parent, hops = known[min(int(rng.expovariate(0.3)), len(known) - 1)]
        known.append((f"m{number}", hops + 1))
        steps.append(_step(f"m{number}", parent, hops + 1, int(10 ** rng.uniform(0, 6))))
    found = draw_family_graph(Lineage({"id": "root", "downloads": 10}, descendants=steps), share=1.0)
    assert found.models == found.shown == 401
    for disc in found.discs:
        assert disc.x - disc.radius >= -1
        assert disc.x + disc.radius <= SIZE + 1
    for a, b in combinations(found.discs, 2):
        assert math.dist((a.x, a.y), (b.x, b.y)) >= a.radius + b.radius - 0.3, (a, b)
    sizes = sorted(found.discs[1:], key=lambda disc: disc.downloads)
    assert [disc.radius for disc in sizes] == sorted(disc.radius for disc in sizes)


def test_a_region_keeps_what_lies_between() -> None:
    steps = [_step("a", "root", 1, 1), _step("b", "a", 2, 1000), *(_step(f"x{n}", "root", 1, 5) for n in range(8))]
    found = draw_family_graph(Lineage({"id": "root"}, descendants=steps), share=0.1)
    assert {disc.id for disc in found.discs} == {"root", "a", "b"}


class _Kin:
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
                [_step(f"q{n}", "me", downloads=100 - n, relation="quantized") for n in range(MAX_COLUMN_BOXES)],
            )
        ],
        "q1": [ChildGroup("merge", 1, [_step("deep", "q1", relation="merge")])],
    }
    kin = _Kin([_step("me", "up"), _step("up", "top")], below)
    closed = draw_lineage({"id": "me"}, kin, [])
    boxes = {box.id: box for box in closed.boxes}
    assert len([box for box in closed.boxes if box.column == 1]) == CHILDREN_SHOWN + 1
    assert boxes["me +quantized"].label == f"+{1437 - CHILDREN_SHOWN:,} quantized"
    assert boxes["q1"].more
    assert not boxes["q2"].more
    assert boxes["up"].more
    assert "top" not in boxes
    opened = draw_lineage({"id": "me"}, kin, ["q1", "up", "nobody"])
    ids = {box.id: box.column for box in opened.boxes}
    assert ids["deep"] == 2
    assert ids["top"] == -2
    assert (
        len([box for box in draw_lineage({"id": "me"}, kin, [], "quantized").boxes if box.column == 1])
        == MAX_COLUMN_BOXES + 1
    )
    spots = [(box.x, box.y) for box in opened.boxes]
    assert len(set(spots)) == len(spots)


def test_a_ring_of_relatives_ends() -> None:
    kin = _Kin([_step("me", "a"), _step("a", "me")], {"me": [ChildGroup("merge", 1, [_step("a", "me")])], "a": []})
    assert {box.id for box in draw_lineage({"id": "me"}, kin, ["a", "me"]).boxes} == {"me", "a"}


def test_nothing_of_an_id_can_leave_its_place() -> None:
    assert "<" not in data_block({"id": HOSTILE})
    assert json.loads(str(data_block({"id": HOSTILE}))) == {"id": HOSTILE}
    name = file_of(HOSTILE)
    assert "/" not in name
    assert ".." not in name
    assert file_of("a/b") != file_of("a-b")
    assert len(file_of("x" * 5000)) < 120
    assert Served().model("a/b c?#", open="x,y") == "/models/a/b%20c%3F%23?open=x%2Cy"
    assert Exported({"a/b": "f.html"}, above="../").model("a/b") == "../models/f.html"
    assert Exported().model("a/b") is None


def test_values_as_people_read_them() -> None:
    said = [
        shown(None),
        shown(True),
        shown(1234567),
        shown(0.25, "share"),
        shown({"a/b": 0.031, "c/d": 0.02}),
        shown(0.25, "confidence"),
        shown(["a", 2000]),
    ]
    assert said == ["–", "yes", "1,234,567", "25.0%", "a/b 0.031, c/d 0.02", "0.25", "a, 2,000"]


def test_figures_leave_out_what_has_no_number() -> None:
    rows = [{"t": "a", "rate": None, "low": None, "high": None}, {"t": "b", "rate": 0.5, "low": 0.4, "high": 0.7}]
    (trace,) = figures.intervals(rows, "t", "rate", title="x")["data"]
    assert trace["y"] == ["b"]
    assert trace["error_x"]["array"] == [pytest.approx(0.2)]
    cells = [{"from": "a", "to": "b", "share": 0.5}]
    assert figures.heat(cells, "to", "from", "share", ["b", "a"], title="x")["data"][0]["z"] == [[0, 0], [0.5, 0]]
    assert SimpleNamespace(**figures.columns([], "a", "b", title="x", across="y")).data[0]["x"] == []


def _contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _themes() -> list[dict[str, str]]:
    """Custom properties of the style sheet, light and dark."""
    sheet = (Path(figures.__file__).parent / "static" / "atlas.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in sheet.split("prefers-color-scheme: dark")[:2]
    )
    return [light, {**light, **dark}]


@pytest.mark.parametrize("theme", _themes(), ids=("light", "dark"))
def test_lines_and_figures_stand_out_from_the_page(theme: dict[str, str]) -> None:
    """WCAG 2.1, 1.4.3 for text and 1.4.11 for lines of a lineage, figures and fields."""
    for word in ("ink", "soft", "link", "mark", "good", "warn", "bad", "unknown"):
        assert _contrast(theme[word], theme["card"]) >= 4.5, word
    for status in Status:
        assert _contrast(theme[status.value], theme["card"]) >= 3, status
    for colour in (*figures.INK, *figures.SOURCES):
        assert _contrast(colour, theme["card"]) >= 3, colour


def test_cells_stand_out_from_the_ground_of_the_map() -> None:
    for colour in (*map.INK, map.REST, map.RED, map.AMBER, map.GREEN, map.BLUE):
        assert _contrast(colour, map.GROUND) >= 3, colour


def test_coverage_curves_end_with_all_models() -> None:
    rows = [
        {"method": "majority", "accuracy": 0.1, "at 50 %": 0.2},
        {"method": "ships", "accuracy": 0.7, "at 90 %": 0.75, "at 50 %": 0.9},
        {"method": "trees", "hits@1": 0.5},
    ]
    (curve,) = figures.coverage_curves({"rows": rows})["data"]
    assert (curve["name"], curve["x"], curve["y"]) == ("ships", [0.5, 0.9, 1.0], [0.9, 0.75, 0.7])
