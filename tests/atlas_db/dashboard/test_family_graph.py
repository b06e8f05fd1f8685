"""Tests of `atlas_db/dashboard/family_graph.py`."""

from __future__ import annotations

import math
import random
from itertools import combinations

from atlas_db.dashboard.family_graph import SIZE, draw_family_graph
from atlas_db.lineage.traversal import Lineage
from tests.support.drawing import step


def test_discs_of_a_region_do_not_overlap_and_stay_inside() -> None:
    rng = random.Random(5)
    steps, known = [], [("root", 0)]
    for number in range(400):
        parent, hops = known[min(int(rng.expovariate(0.3)), len(known) - 1)]
        known.append((f"m{number}", hops + 1))
        steps.append(step(f"m{number}", parent, hops + 1, int(10 ** rng.uniform(0, 6))))
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
    steps = [step("a", "root", 1, 1), step("b", "a", 2, 1000), *(step(f"x{n}", "root", 1, 5) for n in range(8))]
    found = draw_family_graph(Lineage({"id": "root"}, descendants=steps), share=0.1)
    assert {disc.id for disc in found.discs} == {"root", "a", "b"}
