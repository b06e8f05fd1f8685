"""Merges that were rounded afterwards are found by their grid, without the merge itself; nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from ingest.weights.chart import chart
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge, found_by
from tests.support.changes import dare, matrices, permuted, quantized, slerp, ties
from tests.support.families import Weights, print_of, root, trained, write

pytestmark = pytest.mark.slow

GRIDS = {"int8": (8, 0), "int4": (4, 32)}


def rounded(weights: Weights, grid: str) -> Weights:
    return matrices(weights, lambda value: quantized(value, *GRIDS[grid]))


def edges_of_last(folder: Path, models: list[Weights]) -> list[Edge]:
    """Chart models that came one after the other; return the edges of the last."""
    prints = [
        print_of(write(folder / f"m{at}", weights), f"m{at}", f"2024-01-0{at + 1}") for at, weights in enumerate(models)
    ]
    return [edge for edge in chart(prints, Resampler()) if edge.child == prints[-1].id]


def mixed(models: list[Weights], weights: list[float]) -> Weights:
    return {
        name: np.sum([w * each[name] for w, each in zip(weights, models, strict=True)], 0).astype(np.float32)
        for name in models[0]
    }


@pytest.mark.parametrize("grid", ["int8", "int4"])
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("linear", {"m1": 0.65, "m2": 0.35}),
        ("task_arithmetic", {"m1": 0.6, "m3": 0.6}),
        ("slerp", {"m2": 0.7, "m4": 0.3}),
    ],
)
def test_a_merge_that_was_rounded_is_found(tmp_path: Path, grid: str, method: str, expected: dict[str, float]) -> None:
    base = root(1)
    models = [base, *(trained(base, seed, 0.1) for seed in (2, 3, 4, 5))]
    made = {
        "linear": lambda: mixed([models[1], models[2]], [0.65, 0.35]),
        "task_arithmetic": lambda: mixed([base, models[1], models[3]], [-0.2, 0.6, 0.6]),
        "slerp": lambda: {name: slerp(models[2][name], models[4][name], 0.3) for name in base},
    }[method]()
    edges = edges_of_last(tmp_path, [*models, rounded(made, grid)])
    assert {edge.relation for edge in edges} == {Relation.MERGE}
    assert {edge.parent: edge.evidence.weight for edge in edges} == pytest.approx(expected, abs=0.03)
    # A short arc lies within the rounding of its chord.
    assert {edge.evidence.method for edge in edges} <= {method, *(["linear"] if method == "slerp" else [])}


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_a_sparse_merge_that_was_rounded_is_found(tmp_path: Path, method: str) -> None:
    """Half a step of eight bits is far less than training moves most elements."""
    base = root(1)
    models = [base, *(trained(base, seed, 0.1) for seed in (2, 3, 4, 5))]
    parents = [models[1], models[2], models[4]]
    made = {
        name: ties(value, [model[name] for model in parents], 0.6)
        if method == "ties"
        else dare(value, [model[name] for model in parents], 0.6, name)
        for name, value in base.items()
    }
    edges = edges_of_last(tmp_path, [*models, rounded(made, "int8")])
    assert {edge.relation for edge in edges} == {Relation.MERGE}
    assert {edge.parent for edge in edges} == {"m1", "m2", "m4"}
    assert {(edge.evidence.method, edge.evidence.base, edge.confidence) for edge in edges} == {(method, "m0", 0.9)}


def test_ties_of_four_bits_is_found_by_reconstruction_from_its_parents(tmp_path: Path) -> None:
    """Half a step of a whole row's grid hides which elements were left alone."""
    base = root(1)
    models = [base, *(trained(base, seed, 0.02) for seed in (1, 2, 3, 4))]
    made = {
        name: (value + 0.7 * (ties(value, [models[1][name], models[4][name]], 0.4) - value)).astype(np.float32)
        for name, value in base.items()
    }
    edges = edges_of_last(tmp_path, [*models, matrices(made, lambda value: quantized(value, 4, 0))])
    assert {edge.parent: edge.evidence.weight for edge in edges} == pytest.approx({"m1": 0.7, "m4": 0.7}, abs=0.03)
    assert {(edge.relation, edge.evidence.method, edge.evidence.base) for edge in edges} == {
        (Relation.MERGE, "ties", "m0")
    }


@pytest.mark.parametrize("grid", ["int8", "int4"])
def test_where_the_merge_is_there_its_copy_is_its_copy(tmp_path: Path, grid: str) -> None:
    base = root(1)
    models = [base, *(trained(base, seed, 0.1) for seed in (2, 3))]
    merge = mixed([models[1], models[2]], [0.5, 0.5])
    (edge,) = edges_of_last(tmp_path, [*models, merge, rounded(merge, grid)])
    assert (edge.parent, edge.relation) == ("m3", Relation.QUANTIZED)


@pytest.mark.parametrize("grid", ["int8", "int4"])
def test_a_fine_tune_that_was_rounded_is_no_merge(tmp_path: Path, grid: str) -> None:
    base = root(1)
    models = [base, *(trained(base, seed, 0.1) for seed in (2, 3, 4))]
    (edge,) = edges_of_last(tmp_path, [*models, rounded(trained(models[2], 9, 0.05), grid)])
    assert edge.relation == Relation.QUANTIZED


def test_a_near_parent_is_no_original_where_a_merge_explains_the_rest(tmp_path: Path) -> None:
    """Few bits hide small steps: nine values in ten are as one parent's would be, and all as the merge's."""
    base = root(1)
    models = [base, *(trained(base, seed, 0.02) for seed in (2, 3))]
    edges = edges_of_last(tmp_path, [*models, rounded(mixed([models[1], models[2]], [0.7, 0.3]), "int4")])
    assert {edge.parent for edge in edges if edge.relation == Relation.MERGE} == {"m1", "m2"}


@pytest.mark.parametrize("grid", ["int8", "int4"])
def test_the_copy_of_a_mixture_of_two_orders_is_its_copy(tmp_path: Path, grid: str) -> None:
    """The mixture has no order of its own: it and its copy may be put into different ones."""
    base = root(1)
    first, second = trained(base, 2, 0.1), trained(permuted(base, 5), 3, 0.1)
    merge = mixed([first, second], [0.5, 0.5])
    edges = edges_of_last(tmp_path, [base, first, permuted(base, 5), second, merge, rounded(merge, grid)])
    assert [(edge.parent, edge.relation) for edge in edges] == [("m4", Relation.QUANTIZED)]


def test_a_copy_in_blocks_is_one_though_all_relatives_have_another_order_of_units(tmp_path: Path) -> None:
    """Columns that are moved are in no blocks any more: its grid, and its original, are looked for as stored, too."""
    base = root(1)
    moved = permuted(base, 5)
    relatives = [trained(moved, seed, 0.05) for seed in range(2, 6)]
    (edge,) = edges_of_last(tmp_path, [moved, *relatives, base, rounded(base, "int4")])
    assert (edge.relation, found_by(edge.evidence)) == (Relation.QUANTIZED, "quantized")
    assert edge.parent in ("m0", "m5")


def test_a_merge_of_two_orders_is_found_by_the_copy_that_has_the_order(tmp_path: Path) -> None:
    """Of exact copies in two orders the first passes for the original; the other one was merged."""
    base = root(1)
    moved = permuted(base, 5)
    relatives = [trained(moved, seed, 0.1) for seed in range(2, 6)]
    edges = edges_of_last(tmp_path, [moved, *relatives, base, mixed([base, relatives[0]], [0.6, 0.4])])
    assert {edge.evidence.method for edge in edges} == {"linear"}
    assert {edge.parent for edge in edges} in ({"m0", "m1"}, {"m5", "m1"})
