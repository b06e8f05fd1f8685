"""Tests of `ingest/weights/tree/duplicate_origin.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from ingest.weights.chart import chart
from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import found_by
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import load_samples, run_pair_tests
from tests.support.changes import matrices, permuted, quantized
from tests.support.charts import charted, pairs
from tests.support.families import Weights, print_of, root, trained, write


def test_a_copy_without_a_date_is_no_original_of_what_precedes_a_whole_family(tmp_path: Path) -> None:
    base = root(1)
    made = {"copy": (base, "F32", ""), "base": (base, "F32", "2024-01-01")}
    made |= {f"child{day}": (trained(base, day), "F32", f"2024-02-0{day}") for day in range(2, 7)}
    edges = charted(tmp_path, made)
    assert pairs(edges) == {("copy", "base")} | {(f"child{day}", "base") for day in range(2, 7)}
    confident = next(edge.confidence for edge in edges if edge.child == "copy")
    assert confident == pytest.approx(3 / 4), "older than five: 6 to 1; the stand-in for old dates: 1 to 2"


def test_a_copy_without_a_date_is_the_original_where_children_are_older_than_the_other(tmp_path: Path) -> None:
    base = root(1)
    made = {"copy": (base, "F32", "2024-06-01"), "base": (base, "F32", "")}
    made |= {f"child{day}": (trained(base, day), "F32", f"2024-02-0{day}") for day in range(2, 5)}
    assert ("copy", "base") in pairs(charted(tmp_path, made))


@pytest.mark.parametrize(("children", "confident"), [(1, 0.731), (3, 0.5)])
def test_where_all_copies_are_later_than_the_children_age_is_weak_evidence(
    tmp_path: Path, children: int, confident: float
) -> None:
    """Whichever is the original has a wrong date, which is no evidence on its copy's; one child's may be wrong instead."""
    base = root(1)
    made = {"base": (base, "F32", "2024-06-01"), "copy": (base, "F32", "2024-05-01")}
    made |= {f"child{n}": (trained(base, n), "F32", f"2024-02-0{n}") for n in range(2, 2 + children)}
    (edge,) = (edge for edge in charted(tmp_path, made) if edge.relation == Relation.DUPLICATE)
    assert edge.confidence == pytest.approx(confident, abs=0.001)


def test_a_duplicate_may_be_the_original_and_come_of_its_parents(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2)
    made = {
        "base": (base, "F32", "2024-01-01"),
        "near": (near, "F32", "2024-02-01"),
        "copy": (near, "F32", "2024-03-01"),
        "far": (trained(base, 3), "F32", "2024-03-02"),
    }
    (edge,) = (edge for edge in charted(tmp_path, made) if edge.child == "copy")
    assert (edge.parent, edge.relation) == ("near", Relation.DUPLICATE)
    assert edge.evidence.alternatives == {"base": pytest.approx(1 - edge.confidence, abs=0.001)}


@pytest.mark.parametrize("time", [True, False])
def test_the_original_has_its_units_in_the_order_of_its_parents(tmp_path: Path, time: bool) -> None:
    base = root(1)
    near = trained(base, 2)
    made = {
        "base": (base, "F32", "2024-02-01"),
        "other": (trained(base, 4), "F32", "2024-02-02"),
        "moved": (permuted(near, 5), "F32", "2024-02-03"),
        "near": (near, "F32", "2024-02-04"),
    }
    assert pairs(charted(tmp_path, made, time=time)) >= {("near", "base"), ("moved", "near")}


@pytest.mark.slow
def test_the_original_has_its_children_in_its_order_whatever_its_date_is(tmp_path: Path) -> None:
    """The copy is older than all others; but children in the original's order are older than the original's date."""
    base = root(1)
    made = {"base": (base, "F32", "2024-12-01"), "moved": (permuted(base, 5), "F32", "2024-01-01")}
    made |= {f"child{n}": (trained(base, n), "F32", f"2024-02-0{n}") for n in range(2, 8)}
    assert pairs(charted(tmp_path, made)) == {("moved", "base")} | {(f"child{n}", "base") for n in range(2, 8)}


def test_a_quantized_copy_has_its_units_in_the_order_of_what_it_was_made_of(tmp_path: Path) -> None:
    base = root(1)
    moved = permuted(base, 5)
    made = {
        "base": (base, "F32", "2024-01-01"),
        "moved": (moved, "F32", "2024-02-01"),
        "child": (trained(base, 2), "F32", "2024-02-02"),
        "small": (matrices(base, lambda v: quantized(v, 8, 0)), "F32", "2024-03-01"),
        "turned": (matrices(moved, lambda v: quantized(v, 8, 0)), "F32", "2024-03-02"),
    }
    found = pairs(charted(tmp_path, made))
    assert found == {("moved", "base"), ("child", "base"), ("small", "base"), ("turned", "moved")}


@pytest.mark.parametrize("between", [True, False])
def test_a_second_permutation_leaves_no_evidence(tmp_path: Path, between: bool) -> None:
    base = root(1)
    once = permuted(base, 5)
    made = {"base": (base, "F32", "2024-01-01"), "child": (trained(base, 2), "F32", "2024-01-02")}
    if between:
        made["once"] = once, "F32", "2024-02-01"
    made["twice"] = permuted(once, 6), "F32", "2024-03-01"
    (edge,) = (edge for edge in charted(tmp_path, made) if edge.child == "twice")
    assert (edge.parent, found_by(edge.evidence)) == ("base", "permuted")
    assert edge.evidence.alternatives == ({"once": 0.33} if between else {})
    assert edge.confidence == pytest.approx(0.66 if between else 0.99)


def test_whoever_casts_again_gets_the_same_cast(tmp_path: Path) -> None:
    base = root(1)
    made = {
        "base": (base, "F32", "2024-01-01"),
        "child": (trained(base, 2), "F32", "2024-01-02"),
        "cast": (base, "BF16", "2024-02-01"),
        "again": (base, "BF16", "2024-03-01"),
    }
    edges = charted(tmp_path, made)
    assert pairs(edges) == {("child", "base"), ("cast", "base"), ("again", "cast")}
    (copy,) = (edge for edge in edges if edge.child == "again")
    assert set(copy.evidence.alternatives) == {"base"}, "which is no wrong declaration, then"
    assert copy.confidence == 0.5


@pytest.mark.slow
def test_what_explains_a_copy_or_a_merge_as_well_is_named(tmp_path: Path) -> None:
    """Pruned twice or once; of two parents, or of one and a merge of both: weights cannot distinguish them."""
    base = root(1)
    first, second = trained(base, 2), trained(base, 3)

    def mean(a: Weights, b: Weights, share: float) -> Weights:
        return {name: ((1 - share) * a[name] + share * b[name]).astype(np.float32) for name in a}

    def cut(weights: Weights, least: float) -> Weights:
        return matrices(weights, lambda v: np.where(np.abs(v) > least, v, 0))

    made = {
        "base": (base, "F32", "2024-01-01"),
        "first": (first, "F32", "2024-01-02"),
        "second": (second, "F32", "2024-01-03"),
        "half": (mean(first, second, 0.5), "F32", "2024-02-01"),
        "most": (mean(first, second, 0.75), "F32", "2024-03-01"),
        "thin": (cut(first, 0.01), "F32", "2024-03-02"),
        "thinner": (cut(first, 0.02), "F32", "2024-03-03"),
    }
    possible: dict[str, set[str]] = {}
    for edge in charted(tmp_path, made):
        possible.setdefault(edge.child, set()).update([edge.parent, *edge.evidence.alternatives])
    assert possible["half"] == {"first", "second"}
    assert possible["most"] == {"second", "first", "half"}
    assert possible["thinner"] == {"first", "thin"}
    assert possible["thin"] == {"first"}


@pytest.mark.slow
def test_where_the_first_of_copies_has_no_date_those_of_the_others_count(tmp_path: Path) -> None:
    """The weights were there by the others' dates; that they were not there before, nothing shows."""
    base = root(1)
    child = print_of(write(tmp_path / "child", trained(base, 2), "F32"), "child", "2024-02-01")
    folder = write(tmp_path / "base", base, "F32")

    def before(*dates: str) -> float:
        copies = [print_of(folder, f"copy{place}", date) for place, date in enumerate(dates)]
        samples = load_samples([*copies, child], Resampler(), use_dates=True)
        family = build_family_state(samples, run_pair_tests(samples))
        first, last = family.relations.duplicate_of[0], len(dates)
        assert family.precedence_log_odds[first, last] == -family.precedence_log_odds[last, first]
        return float(family.precedence_log_odds[first, last])

    undated = before("", "")
    assert before("", "2024-01-01") == pytest.approx(undated + TREE.date_penalty) == before("2024-01-01", "2024-01-02")
    assert before("", "2024-03-01") == undated
    assert before("2024-03-01", "2024-04-01") == pytest.approx(undated - TREE.date_penalty)


@pytest.mark.parametrize(("dated", "original"), [(False, "plain"), (True, "converted")])
def test_of_equal_models_the_one_in_a_format_of_conversions_is_the_copy(
    tmp_path: Path, dated: bool, original: str
) -> None:
    """Without dates the format shows it; dates that say otherwise count for more."""
    base = root(1)
    prints = []
    for name, container in (("converted", "gguf"), ("plain", "safetensors")):
        write(tmp_path / name, base)
        found = print_of(tmp_path / name, name)
        found.container = container
        found.created_at = {"converted": "2024-01-01", "plain": "2024-06-01"}[name] if dated else ""
        prints.append(found)
    (edge,) = chart(prints)
    assert edge.parent == original
    assert edge.relation == Relation.DUPLICATE
    assert dated or edge.confidence == pytest.approx(0.95, abs=0.01)
