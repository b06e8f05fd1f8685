"""Which of several that look alike a model comes from: a model or its cast, an original or its copy, child or parent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from ingest.weights.pairwise.precision_cast import from_cast
from ingest.weights.pairwise.residual_containment import ALIKE, APART_EACH, ERROR, ROUGH, SHARE, contained, trace
from ingest.weights.samples.family_alignment import in_one_order
from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.edge import found_by
from ingest.weights.tree.exact_relations import find_copies
from ingest.weights.tree.family_state import LATER_PENALTY, assemble
from tests.support.changes import low_rank, matrices, permuted, quantized, slerp, vectors
from tests.support.charts import charted, pairs
from tests.support.families import Weights, print_of, root, stored, trained, write


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("size", [0.02, 0.1])
def test_a_child_of_a_cast_has_made_its_step(tmp_path: Path, dtype: str, size: float) -> None:
    base = root(1)
    cast = stored(base, "BF16")
    made = {
        "base": (base, "F32", "2024-01-01"),
        "cast": (cast, "BF16", "2024-01-02"),
        "of-cast": (trained(cast, 2, size), dtype, "2024-01-03"),
        "of-base": (trained(base, 3, size), dtype, "2024-01-04"),
    }
    assert pairs(charted(tmp_path, made)) == {("cast", "base"), ("of-cast", "cast"), ("of-base", "base")}


def test_rounding_to_the_casts_own_values_says_nothing(tmp_path: Path) -> None:
    """Stored as the cast is, a model that hardly moved lies on the cast, whichever it comes from."""
    base = root(1)
    cast = stored(base, "BF16")
    made = [(stored(trained(start, seed, 0.0005), "BF16"), "BF16") for start, seed in ((base, 2), (cast, 3))]
    family = vectors(tmp_path, (base, "F32"), (cast, "BF16"), *made)
    assert np.mean(family.values[2] == family.values[1]) > 0.5
    assert [abs(from_cast(family, child, 0, 1)) < 1 for child in (2, 3)] == [True, True]


def test_positions_that_training_drowned_count_less(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2, 0.02)

    def drowned(start: Weights, seed: int) -> Weights:
        """Train the upper half of each matrix hard, the lower hardly."""
        loud, quiet = trained(start, seed, 1.0), trained(start, seed + 50, 0.01)
        return {
            name: np.concatenate((loud[name][: len(value) // 2], quiet[name][len(value) // 2 :]))
            for name, value in start.items()
        }

    family = vectors(tmp_path, *((model, "F32") for model in (base, near, drowned(near, 3), drowned(base, 4))))
    held = contained(family, trace(family, 1, 0), [2, 3])
    assert held[:, SHARE] == pytest.approx([1, 0], abs=0.1)
    assert np.abs(held[:, ALIKE] - [1, 0]).max() > 3 * np.abs(held[:, SHARE] - [1, 0]).max()
    assert (held[:, ERROR] < held[:, ROUGH]).all(), "surer, too"


def test_who_decayed_alike_where_nothing_was_trained_does_not_carry_a_trace_in_every_tensor(tmp_path: Path) -> None:
    """Rows that no training reached shrink alike in all: the share there is one for siblings, too."""
    base = root(1)
    words = "model.embed_tokens.weight"

    def decayed(start: Weights, seed: int, factor: float) -> Weights:
        return trained(start, seed, 0.3) | {words: np.asarray(start[words] * factor, np.float32)}

    near = decayed(base, 2, 0.999)
    child, sibling = decayed(near, 3, 1.0), decayed(base, 4, 0.999)
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, child, sibling)))
    held = contained(family, trace(family, 1, 0), [2, 3])
    assert held[:, SHARE] == pytest.approx([1, 1], abs=0.05)
    assert held[0, APART_EACH] < 0.2 and held[1, APART_EACH] > 0.6


def test_a_copy_without_a_date_is_no_original_of_what_precedes_a_whole_family(tmp_path: Path) -> None:
    base = root(1)
    made = {"copy": (base, "F32", ""), "base": (base, "F32", "2024-01-01")}
    made |= {f"child{day}": (trained(base, day), "F32", f"2024-02-0{day}") for day in range(2, 7)}
    edges = charted(tmp_path, made)
    assert pairs(edges) == {("copy", "base")} | {(f"child{day}", "base") for day in range(2, 7)}
    sure = next(edge.confidence for edge in edges if edge.child == "copy")
    assert sure == pytest.approx(3 / 4), "older than five: 6 to 1; the stand-in for old dates: 1 to 2"


def test_a_copy_without_a_date_is_the_original_where_children_are_older_than_the_other(tmp_path: Path) -> None:
    base = root(1)
    made = {"copy": (base, "F32", "2024-06-01"), "base": (base, "F32", "")}
    made |= {f"child{day}": (trained(base, day), "F32", f"2024-02-0{day}") for day in range(2, 5)}
    assert ("copy", "base") in pairs(charted(tmp_path, made))


@pytest.mark.parametrize(("children", "sure"), [(1, 0.731), (3, 0.5)])
def test_where_all_copies_are_later_than_the_children_the_older_is_hardly_likelier(
    tmp_path: Path, children: int, sure: float
) -> None:
    """Whichever is the original has a wrong date, which says nothing of its copy's; one child's may be wrong instead."""
    base = root(1)
    made = {"base": (base, "F32", "2024-06-01"), "copy": (base, "F32", "2024-05-01")}
    made |= {f"child{n}": (trained(base, n), "F32", f"2024-02-0{n}") for n in range(2, 2 + children)}
    (edge,) = (edge for edge in charted(tmp_path, made) if edge.relation == Relation.DUPLICATE)
    assert edge.confidence == pytest.approx(sure, abs=0.001)


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
    assert pairs(charted(tmp_path, made)) == {("near", "base"), ("copy", "near")} | children


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
def test_whoever_shuffles_what_was_shuffled_leaves_nothing_to_tell(tmp_path: Path, between: bool) -> None:
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


def test_what_explains_a_copy_or_a_merge_as_well_is_named(tmp_path: Path) -> None:
    """Pruned twice or once; of two parents, or of one and a merge of both: weights cannot tell."""
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


@pytest.mark.parametrize("size", [0.1, 0.3])
def test_one_wrong_date_does_not_make_a_child_the_root(tmp_path: Path, size: float) -> None:
    base = root(1)
    children = {f"child{n}": trained(base, n, size) for n in range(1, 6)}
    made = {"base": (base, "F32", "2024-12-01")}
    made |= {name: (weights, "F32", f"2024-01-0{name[-1]}") for name, weights in children.items()}
    made |= {f"grand{n}": (trained(children[f"child{n}"], n + 10, size), "F32", f"2024-02-0{n}") for n in (1, 2)}
    grand = {("grand1", "child1"), ("grand2", "child2")}
    assert pairs(charted(tmp_path, made)) == {(name, "base") for name in children} | grand


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


@pytest.mark.parametrize("date", ["2024-02-01", "2024-12-01"], ids=["true", "late"])
def test_a_merge_of_two_is_not_taken_for_one_of_four_whatever_a_date_says(tmp_path: Path, date: str) -> None:
    base = root(1)
    first, second, third = (trained(base, seed, 0.2) for seed in (2, 3, 4))
    added = {name: value + 0.4 * (first[name] - value) + 0.4 * (second[name] - value) for name, value in base.items()}
    mean = {name: 0.4 * value + 0.6 * third[name] for name, value in added.items()}
    days = {name: f"2024-01-0{day}" for day, name in enumerate(("base", "first", "second", "third"), 1)}
    days |= {"added": date, "mean": "2024-03-01"}
    weights = {"base": base, "first": first, "second": second, "third": third, "added": added, "mean": mean}
    found = {(e.child, e.parent) for e in charted(tmp_path, {n: (weights[n], "F32", day) for n, day in days.items()})}
    assert {pair for pair in found if pair[0] == "mean"} == {("mean", "added"), ("mean", "third")}


def test_where_the_first_of_copies_has_no_date_those_of_the_others_are_heard(tmp_path: Path) -> None:
    """The weights were there by the others' dates; that they were not there before, nothing says."""
    base = root(1)
    child = print_of(write(tmp_path / "child", trained(base, 2), "F32"), "child", "2024-02-01")
    folder = write(tmp_path / "base", base, "F32")

    def before(*dates: str) -> float:
        copies = [print_of(folder, f"copy{place}", date) for place, date in enumerate(dates)]
        family = assemble([*copies, child], Rereader(), use_dates=True)
        find_copies(family)
        first, last = family.duplicate_of[0], len(dates)
        assert family.precedence_log_odds[first, last] == -family.precedence_log_odds[last, first]
        return float(family.precedence_log_odds[first, last])

    undated = before("", "")
    assert before("", "2024-01-01") == pytest.approx(undated + LATER_PENALTY) == before("2024-01-01", "2024-01-02")
    assert before("", "2024-03-01") == undated
    assert before("2024-03-01", "2024-04-01") == pytest.approx(undated - LATER_PENALTY)


@pytest.mark.parametrize("date", ["2024-01-01", "2024-12-01"])
def test_a_root_dated_after_all_that_came_of_it_keeps_its_place(tmp_path: Path, date: str) -> None:
    """Dated so, it is no base of a merge that adds what others learnt; without its date it is."""
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


@pytest.mark.parametrize("time", [True, False])
def test_what_comes_of_a_mixture_of_two_orders_is_no_root(tmp_path: Path, time: bool) -> None:
    """Half of it is noise to either parent, and so it seems to be older than both; not than the mixture."""
    base = root(1)
    moved = permuted(base, 5)
    first, second = trained(base, 2, 0.1), trained(moved, 3, 0.1)
    mixed = {name: 0.6 * value + 0.4 * second[name] for name, value in first.items()}
    made = {
        "base": (base, "F32", "2024-01-01"),
        "first": (first, "F32", "2024-02-01"),
        "moved": (moved, "F32", "2024-02-02"),
        "second": (second, "F32", "2024-02-03"),
        "mixed": (mixed, "F32", "2024-02-04"),
        "child": (trained(mixed, 4, 0.1), "F32", "2024-02-05"),
    }
    found = pairs(charted(tmp_path, made, time=time))
    assert {("mixed", "first"), ("mixed", "second"), ("child", "mixed")} <= found


def test_a_spherical_merge_of_two_orders_is_found(tmp_path: Path) -> None:
    """The two are at right angles in all tensors but the vocabulary: their weights add up to more than one there."""
    base = root(1)
    moved = permuted(base, 5)
    first, second = trained(base, 2, 0.1), trained(moved, 3, 0.1)
    made = {
        "base": (base, "F32", "2024-01-01"),
        "first": (first, "F32", "2024-02-01"),
        "moved": (moved, "F32", "2024-02-02"),
        "second": (second, "F32", "2024-02-03"),
        "turned": ({name: slerp(value, second[name], 0.3) for name, value in first.items()}, "F16", "2024-02-04"),
    }
    edges = {(edge.child, edge.parent): edge.evidence for edge in charted(tmp_path, made)}
    assert set(edges) == {
        ("first", "base"), ("moved", "base"), ("second", "moved"), ("turned", "first"), ("turned", "second"),
    }  # fmt: skip
    assert edges["turned", "first"].method == "slerp"
    assert edges["turned", "first"].weight == pytest.approx(0.7, abs=0.03)


def test_units_that_changed_beyond_recognition_are_matched_to_the_nearest_models(tmp_path: Path) -> None:
    """The model in the middle has none like them; the one that was permuted has."""
    base, fresh = root(1), root(7)
    made = {"base": (base, "F32", "2024-01-01")}
    made |= {f"child{day}": (trained(base, day), "F32", f"2024-02-0{day}") for day in range(2, 6)}
    far = dict(base)
    for name in (name for name in base if ".mlp." in name):
        side = (slice(0, 8),) if "down" not in name else (slice(None), slice(0, 8))
        far[name] = base[name].copy()
        far[name][side] = fresh[name][side]
    made |= {"far": (far, "F32", "2024-03-01"), "moved": (permuted(far, 5), "F32", "2024-04-01")}
    tests = {(edge.child, edge.parent): found_by(edge.evidence) for edge in charted(tmp_path, made)}
    assert tests["moved", "far"] == "permuted"


def test_a_mixture_of_two_orders_and_its_shuffled_copy_are_put_in_one(tmp_path: Path) -> None:
    """Half a model and half another in other order has no order of its own: each would be matched to a different one."""
    base = root(1)
    near, other = trained(base, 2), permuted(trained(base, 3), 5)
    mixed = {name: (near[name] + other[name]) / 2 for name in base}
    copy = permuted(mixed, 6)
    made = [base, near, *(trained(base, seed, 0.02) for seed in range(7, 15)), other, mixed, copy]
    prints = [print_of(write(tmp_path / str(place), weights)) for place, weights in enumerate(made)]
    samples, frames = in_one_order(prints, [item.sample for item in prints], Rereader(144))
    assert frames[-1] not in ("", frames[-2])
    np.testing.assert_array_equal(samples[-1].values, samples[-2].values)
    assert not any(frames[:-3])
    assert all(frames[-3:])


@pytest.mark.parametrize("order", [0, 5], ids=["one order", "two orders"])
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
