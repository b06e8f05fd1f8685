"""Tests of `ingest/weights/samples/family_alignment.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.samples.family_alignment import align_family
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import found_by
from tests.support.changes import permuted, slerp
from tests.support.charts import charted, pairs
from tests.support.families import print_of, root, trained, write


@pytest.mark.parametrize("time", [True, pytest.param(False, marks=pytest.mark.slow)])
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


@pytest.mark.slow
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
    samples, frames = align_family(prints, [item.sample for item in prints], Resampler(144))
    assert frames[-1] not in ("", frames[-2])
    np.testing.assert_array_equal(samples[-1].values, samples[-2].values)
    assert not any(frames[:-3])
    assert all(frames[-3:])
