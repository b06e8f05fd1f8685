"""Tests of `ingest/weights/tree/date_outliers.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.charts import charted, pairs
from tests.support.families import root, trained


def test_a_copy_dated_before_its_originals_parent_has_a_wrong_date(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2)
    made = {
        "base": (base, "F32", "2024-02-01"),
        "near": (near, "F32", "2024-03-01"),
        "copy": (near, "F32", "2024-01-01"),
    }
    made |= {f"child{day}": (trained(near, day), "F32", f"2024-04-0{day}") for day in range(3, 6)}
    children = {(f"child{day}", "near") for day in range(3, 6)}
    found = pairs(charted(tmp_path, made))
    assert found >= {("copy", "near")} | children
    # Of two models alone, one with a wrong date, it is open whether one came from the other or both from a third.
    assert not {("base", "near"), ("base", "copy"), ("near", "copy")} & found


@pytest.mark.parametrize("size", [0.1, pytest.param(0.3, marks=pytest.mark.slow)])
def test_one_wrong_date_does_not_make_a_child_the_root(tmp_path: Path, size: float) -> None:
    base = root(1)
    children = {f"child{n}": trained(base, n, size) for n in range(1, 6)}
    made = {"base": (base, "F32", "2024-12-01")}
    made |= {name: (weights, "F32", f"2024-01-0{name[-1]}") for name, weights in children.items()}
    made |= {f"grand{n}": (trained(children[f"child{n}"], n + 10, size), "F32", f"2024-02-0{n}") for n in (1, 2)}
    grand = {("grand1", "child1"), ("grand2", "child2")}
    assert pairs(charted(tmp_path, made)) == {(name, "base") for name in children} | grand


@pytest.mark.parametrize("date", [pytest.param("2024-01-01", marks=pytest.mark.slow), "2024-12-01"])
def test_a_root_dated_after_all_that_came_of_it_keeps_its_place(tmp_path: Path, date: str) -> None:
    """Dated so, it is no base of a merge that adds what others learned; without its date it is."""
    base = root(1)
    first, second = trained(base, 2, 0.2), trained(base, 3, 0.2)
    added = {name: value + 0.7 * (first[name] - value) + 0.7 * (second[name] - value) for name, value in base.items()}
    made = {"base": (base, "F32", date), "first": (first, "F32", "2024-02-01"), "second": (second, "F32", "2024-02-02")}
    made |= {f"child{day}": (trained(base, day, 0.2), "F32", f"2024-02-0{day}") for day in range(4, 8)}
    made["added"] = added, "F32", "2024-03-01"
    found = pairs(charted(tmp_path, made))
    assert found == {("added", "first"), ("added", "second"), ("first", "base"), ("second", "base")} | {
        (f"child{day}", "base") for day in range(4, 8)
    }
