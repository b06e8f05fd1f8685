"""Tests of `ingest/weights/tree/exact_relations.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from ingest.weights.merges.merge import Merge
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import found_by
from ingest.weights.tree.exact_relations import differs_by_low_rank
from ingest.weights.tree.family_state import load_samples, run_pair_tests
from tests.support.changes import low_rank, matrices, permuted
from tests.support.charts import charted, one_a_day, pairs
from tests.support.families import print_of, root, stored, trained, write


def test_a_parent_is_no_merge_of_its_own_merge(tmp_path: Path) -> None:
    """Tensors left alone fit any combination with the model that has them, too."""
    base = root(1)
    near = base | {name: value for name, value in low_rank(base, 2, 2).items() if "q_proj" in name}
    other = trained(base, 3, 0.01)
    mean = {name: 0.7 * value + 0.3 * other[name] for name, value in near.items()}
    made = {
        "base": (base, "F32", "2024-01-01"),
        "near": (near, "F32", "2024-01-02"),
        "other": (other, "F32", "2024-01-03"),
        "merge": (mean, "BF16", "2024-01-04"),
    }
    assert pairs(charted(tmp_path, made)) == {
        ("near", "base"), ("other", "base"), ("merge", "near"), ("merge", "other"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "date", [pytest.param("2024-02-01", marks=pytest.mark.slow, id="true"), pytest.param("2024-12-01", id="late")]
)
def test_a_merge_of_two_is_not_taken_for_one_of_four_whatever_its_date(tmp_path: Path, date: str) -> None:
    base = root(1)
    first, second, third = (trained(base, seed, 0.2) for seed in (2, 3, 4))
    added = {name: value + 0.4 * (first[name] - value) + 0.4 * (second[name] - value) for name, value in base.items()}
    mean = {name: 0.4 * value + 0.6 * third[name] for name, value in added.items()}
    days = {name: f"2024-01-0{day}" for day, name in enumerate(("base", "first", "second", "third"), 1)}
    days |= {"added": date, "mean": "2024-03-01"}
    weights = {"base": base, "first": first, "second": second, "third": third, "added": added, "mean": mean}
    found = {(e.child, e.parent) for e in charted(tmp_path, {n: (weights[n], "F32", day) for n, day in days.items()})}
    assert {pair for pair in found if pair[0] == "mean"} == {("mean", "added"), ("mean", "third")}


@pytest.mark.parametrize(
    "order", [pytest.param(0, marks=pytest.mark.slow, id="one order"), pytest.param(5, id="two orders")]
)
def test_a_sum_of_parts_of_task_vectors_is_found_though_a_parent_is_dated_late(tmp_path: Path, order: int) -> None:
    """Solved for a parent, its equation has a weight above one: it is no merge turned round."""
    base = root(1)
    first, second = trained(base, 2), trained(base, 3)
    if order:
        second = permuted(second, order)
    merge = {name: base[name] + 0.6 * (first[name] - base[name] + second[name] - base[name]) for name in base}
    made = {"base": (base, "F32", "2024-01-01"), "first": (first, "F32", "2024-02-01")}
    made |= {"second": (second, "F32", "2024-12-01"), "merge": (merge, "F32", "2024-03-01")}
    made |= {f"kin{seed}": (trained(base, seed), "F32", f"2024-02-0{seed}") for seed in (6, 7)}
    merged = [edge for edge in charted(tmp_path, made) if edge.relation is Relation.MERGE]
    assert pairs(merged) == {("merge", "first"), ("merge", "second")}
    assert [edge.evidence.weight for edge in merged] == pytest.approx([0.6, 0.6], abs=0.01)


def test_a_cast_of_a_pruned_model_is_no_second_pruning(tmp_path: Path) -> None:
    base = root(1)
    pruned = matrices(base, lambda v: np.where(np.abs(v) > np.quantile(np.abs(v), 0.4), v, 0).astype(np.float32))
    made = {"base": base, "pruned": pruned, "cast": stored(pruned, "F16"), "kin": trained(base, 2)}
    edges = {(edge.child, edge.parent): found_by(edge.evidence) for edge in one_a_day(tmp_path, made, cast="F16")}
    assert edges.pop(("kin", "base")) == "residual"
    assert edges == {("pruned", "base"): "pruned", ("cast", "pruned"): "cast"}


@pytest.mark.parametrize(("dtype", "of"), [("BF16", "base"), ("F32", "cast")])
def test_a_pruned_model_is_the_originals_unless_it_has_the_casts_own_values(
    tmp_path: Path, dtype: str, of: str
) -> None:
    base = root(1)
    made = {"base": base, "cast": base, "kin": trained(base, 2)}
    values = base if of == "base" else stored(base, "BF16")
    made["pruned"] = matrices(values, lambda v: np.where(np.abs(v) > 0.03, v, 0).astype(np.float32))
    found = next(each for each in one_a_day(tmp_path, made, cast="BF16", pruned=dtype) if each.child == "pruned")
    assert (found.parent, found_by(found.evidence)) == (of, "pruned")
    assert set(found.evidence.alternatives) == ({"cast"} if of == "base" else set())


@pytest.mark.slow
def test_a_pruned_model_is_found_where_many_that_decayed_are_nearer(tmp_path: Path) -> None:
    base = root(1)
    pruned = matrices(base, lambda v: np.where(np.abs(v) > np.quantile(np.abs(v), 0.6), v, 0).astype(np.float32))
    shrunk = matrices(base, lambda v: (0.8 * v).astype(np.float32))
    made = {"base": base, "pruned": pruned} | {f"kin{seed}": trained(shrunk, seed) for seed in range(2, 12)}
    found = next(edge for edge in one_a_day(tmp_path, made) if edge.child == "pruned")
    assert (found.parent, found_by(found.evidence)) == ("base", "pruned")


def test_what_differs_by_a_low_rank_is_put_together_of_nothing(tmp_path: Path) -> None:
    base = root(1)
    models = (base, low_rank(base, 2, 2), trained(base, 3))
    prints = [print_of(write(tmp_path / str(place), weights), str(place)) for place, weights in enumerate(models)]
    samples = load_samples(prints, Resampler(), use_dates=False)
    family = samples, run_pair_tests(samples)
    ties, mean = (Merge((0, 2), (0.5, 0.5), None, method, 0.1, 0.9) for method in ("ties", "linear"))
    assert differs_by_low_rank(*family, 1, ties, [0, 2]) and not differs_by_low_rank(*family, 1, mean, [0, 2])
    assert not differs_by_low_rank(*family, 2, ties._replace(parents=(0, 1)), [0, 1])
