"""Copies, merges, permutations, traces and directions: each on weights whose making is known to the last bit."""

from __future__ import annotations

import os
import random
from itertools import combinations, permutations
from pathlib import Path

import gguf
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_db.core.errors import UsageError
from atlas_db.core.terms import Relation
from benchmarks.weights import synthetic
from ingest.weights.baselines import model_atlas, mother
from ingest.weights.chart import chart
from ingest.weights.fingerprints.executors import workers
from ingest.weights.fingerprints.fingerprint import kurtosis
from ingest.weights.formats.open_model import open_model
from ingest.weights.merges.merge import Merge, build_merge_problem
from ingest.weights.merges.merge_search import find_merge
from ingest.weights.merges.subset_search import best_pairs, extend_subsets, joint_residual, search_subsets
from ingest.weights.pairwise.direction import asymmetry
from ingest.weights.pairwise.low_rank_delta import difference_rank
from ingest.weights.pairwise.quantization_grid import explain, grids, own_grids, step_noise
from ingest.weights.pairwise.residual_containment import contained, trace
from ingest.weights.samples.aligned_samples import align, cosines, distances
from ingest.weights.samples.clustering import LINKED, around, relatives
from ingest.weights.samples.permutation_matching import after, alike, is_moved, matched, reordered
from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.edge import Edge
from tests.support.changes import dare, low_rank, matrices, permuted, quantized, slerp, ties, vectors
from tests.support.families import Weights, print_of, root, stored, trained, write


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_grids_of_llama_cpp(kind: str) -> None:
    """Our formulas against its package; it rounds the scale to 16 bits, which moves a value by 2^-11 of its block."""
    value = np.random.default_rng(1).normal(size=(200, 32)).astype(np.float32)
    wanted = gguf.GGMLQuantizationType[kind]
    theirs = gguf.quants.dequantize(gguf.quants.quantize(value, wanted), wanted)
    name = {"Q8_0": "int8/block32"}.get(kind, kind)
    ours = grids(value, np.abs(value).max(1), np.abs(value).max(1))[name]
    near = np.abs(ours - theirs) <= np.abs(value).max(1, keepdims=True) * 2**-10
    assert near.mean() > 0.995


@pytest.mark.parametrize(
    ("change", "dtype", "kind"),
    [
        (lambda v: quantized(v, 8, 0), "F32", "quantized"),
        (lambda v: quantized(v, 8, 0), "BF16", "quantized"),
        (lambda v: quantized(v, 4, 32), "BF16", "quantized"),
        (lambda v: np.where(np.abs(v) > 0.02, v, 0), "F32", "pruned"),
        (lambda v: v, "BF16", "cast"),
        (lambda v: v, "F16", "cast"),
        (lambda v: v, "F32", "same"),
    ],
)
def test_a_copy_is_explained_by_its_original_alone(tmp_path: Path, change: object, dtype: str, kind: str) -> None:
    base = root(1)
    sibling = trained(base, 2, 0.01)
    family = vectors(tmp_path, (base, "F32"), (sibling, "F32"), (matrices(base, change), dtype))
    right, wrong = explain(family, 2, np.array([0, 1]))
    assert right.share > 0.98
    assert right.kind == kind
    assert wrong.share < 0.9
    assert bool(own_grids(family)[2]) == (kind == "quantized")
    assert not own_grids(family)[0]


def test_a_fine_tune_is_no_copy(tmp_path: Path) -> None:
    family = vectors(tmp_path, (root(1), "F32"), (trained(root(1), 2, 0.003), "F32"))
    assert explain(family, 1, np.array([0]))[0].share < 0.5


def merged(tmp_path: Path, make: object, dtype: str = "F32") -> Merge | None:
    """Rows: 0 base, 1-4 fine-tunes, 5 a stranger of theirs below 1, 6 the merge."""
    base = root(1)
    tuned = [trained(base, seed, 0.1) for seed in (2, 3, 4, 5)]
    tuned.append(trained(tuned[0], 9, 0.05))
    made = {name: make(name, value, [model[name] for model in tuned]) for name, value in base.items()}  # type: ignore[operator]
    family = vectors(tmp_path, *((model, "F32") for model in (base, *tuned)), (made, dtype))
    return find_merge(
        build_merge_problem(family, distances(family), own_grids(family)),
        6,
        range(6),
        step_noise(family, 6, own_grids(family)[6]),
    )


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize(
    ("make", "method", "parents", "weights"),
    [
        (lambda n, b, m: 0.3 * m[0] + 0.7 * m[2], "linear", {1, 3}, (0.7, 0.3)),
        (lambda n, b, m: 0.2 * m[0] + 0.5 * m[1] + 0.3 * m[3], "linear", {1, 2, 4}, (0.5, 0.3, 0.2)),
        (lambda n, b, m: slerp(m[0], m[1], 0.4), "slerp", {1, 2}, (0.6, 0.4)),
        (lambda n, b, m: b + 0.8 * (m[1] - b) + 0.8 * (m[2] - b), "task_arithmetic", {2, 3}, (0.8, 0.8)),
    ],
)
def test_merges_and_their_weights(
    tmp_path: Path, make: object, method: str, parents: set[int], weights: tuple[float, ...], dtype: str
) -> None:
    found = merged(tmp_path, make, dtype)
    assert found is not None
    assert set(found.parents) == parents
    assert found.weights == pytest.approx(weights, abs=0.03)
    if dtype == "F32":
        assert found.method == method
    assert (found.base == 0) == (method == "task_arithmetic")


def test_a_merge_is_told_beside_another_of_the_same_parents_that_is_as_near_as_rounding(tmp_path: Path) -> None:
    base = root(1)
    first, second = trained(base, 2, 0.1), trained(base, 3, 0.1)
    mean = {name: 0.5 * value + 0.5 * second[name] for name, value in first.items()}
    turned = {name: slerp(value, second[name], 0.55) for name, value in first.items()}
    family = vectors(tmp_path, *((model, "F32") for model in (base, first, second, mean)), (turned, "BF16"))
    squared, grids = distances(family), own_grids(family)
    noise = step_noise(family, 4, "")
    assert squared[4, 3] < 20 * noise.sum(), "hardly further from the other merge than rounding may take it"
    found = find_merge(build_merge_problem(family, squared, grids), 4, range(4), noise)
    assert found is not None and set(found.parents) == {1, 2}
    assert found.weights == pytest.approx((0.55, 0.45), abs=0.03)


@pytest.mark.parametrize("method", ["ties", "dare"])
def test_sparse_merges_name_base_and_parents(tmp_path: Path, method: str) -> None:
    made = ties if method == "ties" else lambda base, models, density: dare(base, models, density, "x")
    found = merged(tmp_path, lambda n, b, m: made(b, [m[1], m[3]], 0.5))
    assert found is not None
    assert (found.method, set(found.parents), found.base) == (method, {2, 4}, 0)
    assert found.explained > 0.95


def test_three_dense_task_vectors_leave_little_of_the_base(tmp_path: Path) -> None:
    """Of three parents that each keep .7, a thirty-seventh of the elements is the base's."""
    found = merged(tmp_path, lambda n, b, m: dare(b, [m[0], m[1], m[3]], 0.7, n))
    assert found is not None
    assert (found.method, set(found.parents), found.base) == ("dare", {1, 2, 4}, 0)


def test_parents_that_are_made_of_each_other_hide_the_scale(tmp_path: Path) -> None:
    """Where two task vectors point the same way, most elements mix them, and the highest spike is not the scale."""
    base = root(1)
    whole = trained(base, 2, 0.1)
    half = {name: (0.5 * whole[name] + 0.5 * value).astype(np.float32) for name, value in base.items()}
    made = {name: dare(value, [whole[name], half[name]], 0.65, name) for name, value in base.items()}
    family = vectors(tmp_path, *((model, "F32") for model in (base, whole, half, trained(base, 3, 0.1), made)))
    found = find_merge(
        build_merge_problem(family, distances(family), own_grids(family)), 4, range(4), step_noise(family, 4, "")
    )
    assert found is not None
    assert (found.method, set(found.parents), found.base) == ("dare", {1, 2}, 0)
    assert found.weights == pytest.approx((0.5 / 0.65,) * 2, abs=0.01)


def test_a_pruned_model_is_no_base(tmp_path: Path) -> None:
    """Small steps leave many values of sixteen bits as they are; zeros seem to have moved alike in all kin."""
    base = root(1)
    tuned = [trained(base, seed, 0.003) for seed in (2, 3, 5)]
    pruned = {n: np.where(np.abs(v) > 0.02, v, 0) if v.ndim > 1 else v for n, v in tuned[0].items()}
    family = vectors(tmp_path, *((model, "BF16") for model in (base, *tuned, pruned)))
    found = find_merge(
        build_merge_problem(family, distances(family), own_grids(family)), 0, range(1, 5), step_noise(family, 0, "")
    )
    assert found is None


def test_a_quantized_merge_still_names_its_parents(tmp_path: Path) -> None:
    found = merged(
        tmp_path, lambda n, b, m: quantized(0.4 * m[0] + 0.6 * m[2], 8, 0) if "_proj" in n else 0.4 * m[0] + 0.6 * m[2]
    )
    assert found is not None
    assert set(found.parents) == {1, 3}


@pytest.mark.parametrize(
    "make", [lambda n, b, m: trained({n: m[0]}, 77, 0.05)[n], lambda n, b, m: b, lambda n, b, m: m[0] + 0.001 * m[0]]
)
def test_what_is_no_merge_is_not_called_one(tmp_path: Path, make: object) -> None:
    assert merged(tmp_path, make) is None


def test_a_step_as_small_as_rounding_is_no_merge_of_siblings_whatever_the_first_of_its_kin(tmp_path: Path) -> None:
    """What is left over counts beside the distance to the nearest model, not to whichever is named first."""
    base = root(1)
    near = [trained(base, seed, 0.002) for seed in (2, 3, 4)]
    family = vectors(tmp_path, *((model, "BF16") for model in (trained(base, 8, 1.5), base, *near)))
    grids = own_grids(family)
    view = build_merge_problem(family, distances(family), grids)
    assert find_merge(view, 4, [0, 1, 2, 3], step_noise(family, 4, grids[4]), permuted=True) is None


def test_the_parent_of_a_merge_is_not_taken_for_a_merge(tmp_path: Path) -> None:
    """A = 2 M - B holds as exactly as M = (A + B) / 2 does."""
    base = root(1)
    first, second = trained(base, 2), trained(base, 3)
    middle = {name: (value + second[name]) / 2 for name, value in first.items()}
    family = vectors(tmp_path, (base, "F32"), (middle, "F32"), (second, "F32"), (first, "F32"))
    view = build_merge_problem(family, distances(family), own_grids(family))
    assert find_merge(view, 3, [0, 1, 2], step_noise(family, 3, "")) is None
    assert find_merge(view, 1, [0, 2, 3], step_noise(family, 1, "")) is not None


def test_a_permutation_is_undone_to_the_last_bit(tmp_path: Path) -> None:
    base = root(1)
    write(tmp_path / "a", base)
    write(tmp_path / "b", permuted(base, 4))
    with open_model(tmp_path / "a") as original, open_model(tmp_path / "b") as moved:
        order = matched(moved, original)
        assert order is not None
        assert is_moved(order)
        found = reordered(moved, order)
        for name, matrix in original.matrices.items():
            rows = np.arange(matrix.rows)
            np.testing.assert_array_equal(found.matrices[name].read(rows[::-1]), matrix.read(rows[::-1]))
        same = matched(original, original)
        assert same is not None
        assert not is_moved(same)
        back = matched(original, moved)
        assert back is not None
        assert not is_moved(after(order, back))
        assert not alike(order, back)


def test_models_whose_units_do_not_match_have_no_order(tmp_path: Path) -> None:
    write(tmp_path / "a", root(1))
    write(tmp_path / "b", root(2))
    with open_model(tmp_path / "a") as one, open_model(tmp_path / "b") as other:
        assert matched(one, other) is None


def test_a_descendant_carries_the_trace_and_a_sibling_does_not(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2)
    child, sibling = trained(near, 3), trained(base, 4, 0.05)
    family = vectors(tmp_path, *((model, "F32") for model in (base, near, child, sibling)))
    share = contained(family, trace(family, 1, 0), [2, 3])[:, 0]
    assert share[0] == pytest.approx(1, abs=0.15)
    assert share[1] == pytest.approx(0, abs=0.15)


def test_drift_that_siblings_share_is_no_trace(tmp_path: Path) -> None:
    """Both move by the same rank-two drift, ten times their own noise: the plain share is near one, the trace is not."""
    base, rng = root(1), np.random.default_rng(5)
    drift = {
        name: (rng.normal(size=(len(value), 2)) @ rng.normal(size=(2, value.shape[1])) * 0.02).astype(np.float32)
        for name, value in base.items()
        if value.ndim > 1
    }
    drifted = {name: value + drift.get(name, 0) for name, value in base.items()}
    first, second = trained(drifted, 6, 0.03), trained(drifted, 7, 0.03)
    family = vectors(tmp_path, *((model, "F32") for model in (base, first, second)))
    share, plain = contained(family, trace(family, 1, 0), [2])[0, :2]
    assert plain > 0.9
    assert abs(share) < 0.35


def test_the_rank_of_a_difference_counts_steps(tmp_path: Path) -> None:
    base = root(1)
    once = low_rank(base, 2, 2)
    models = {
        "base": base, "once": once, "twice": low_rank(once, 3, 4), "sibling": low_rank(base, 4, 2),
        "stored": once, "full": trained(base, 5), "noisy": trained(once, 6, 0.02),
    }  # fmt: skip
    types = {"stored": "BF16"}
    prints = [print_of(write(tmp_path / name, weights, types.get(name, "F32"))) for name, weights in models.items()]
    samples = [sample for item in prints if (sample := Rereader().sample(item))]
    family = align(samples, [item.dtype for item in prints])
    rows = {name: row for row, name in enumerate(models)}

    def rank(first: str, second: str) -> float:
        return difference_rank(family, rows[first], rows[second])

    # Matrices of 64 columns are sampled at two runs of them, which have a rank each.
    assert rank("base", "once") == rank("once", "base") == 2 * 2
    assert (rank("once", "twice"), rank("base", "twice"), rank("once", "sibling")) == (2 * 4, 2 * 6, 2 * 4)
    assert rank("base", "stored") == 2 * 2, "rounding adds noise, no rank"
    assert np.isnan([rank("base", "full"), rank("base", "noisy"), rank("base", "base"), rank("full", "once")]).all()


def test_merged_adapters_of_merged_adapters_are_charted_without_dates(tmp_path: Path) -> None:
    """One rank everywhere: each child is as far from its parent as that is from its own, and siblings twice as far."""
    base = root(11)
    made: dict[str, Weights] = {"base": base}
    for first in "ab":
        made[first] = low_rank(base, ord(first), 2)
        for second in "xyz":
            made[first + second] = low_rank(made[first], ord(first) * ord(second), 2)
    prints = [print_of(write(tmp_path / name, weights), name) for name, weights in made.items()]
    edges = {(edge.child, edge.parent) for edge in chart(prints, Rereader(), time=False)}
    joined = {frozenset(pair) for pair in edges}
    assert joined == {frozenset((name, name[:-1] or "base")) for name in made if name != "base"}


def test_a_child_holds_its_parents_tail_and_not_the_other_way_round(tmp_path: Path) -> None:
    base = root(1)
    family = vectors(tmp_path, (base, "F32"), (trained(base, 2, 0.3), "F32"))
    measured = asymmetry(family, distances(family))
    assert measured[0, 1, 0] and not measured[1, 0, 0]
    assert abs(measured[0, 1, 2]) < 0.1 and measured[1, 0, 2] < -0.5


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10_000))
def test_arborescences_are_as_cheap_as_networkx_finds(count: int, seed: int) -> None:
    cost = np.random.default_rng(seed).integers(1, 60, (count, count)).astype(float)
    parents = mother.minimum_arborescence(cost)
    assert parents.count(-1) == 1
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((i, j, cost[i, j]) for i in range(count) for j in range(count) if i != j)
    best = nx.minimum_spanning_arborescence(graph).size("weight")
    assert sum(cost[parent, child] for child, parent in enumerate(parents) if parent >= 0) == best
    tree = nx.DiGraph((parent, child) for child, parent in enumerate(parents) if parent >= 0)
    assert nx.is_arborescence(tree)


def test_paper_002s_parts() -> None:
    rng = np.random.default_rng(3)
    layers = {"a": rng.normal(size=(40, 40)).astype(np.float32), "b": rng.normal(size=(40, 40)).astype(np.float32)}
    moved = {name: value + 3 for name, value in layers.items()}
    assert mother.weight_distance(layers, moved) == pytest.approx(3 * 40, rel=1e-5)
    low = {n: v + np.outer(rng.normal(size=40), rng.normal(size=40)).astype(np.float32) for n, v in layers.items()}
    assert mother.lora_distance(layers, low) == 1
    assert kurtosis(rng.normal(size=200_000)) == pytest.approx(3, abs=0.1)
    assert kurtosis(rng.uniform(size=200_000)) == pytest.approx(1.8, abs=0.05)
    higher = mother.direction_matrix([5.0, 1.0])
    assert higher.tolist() == [[False, True], [False, False]]
    cost = mother.cost_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]), higher, mother.stage_matrix(["specialise"] * 2))
    assert cost[0, 1] < cost[1, 0]
    turned = mother.cost_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]), higher, mother.stage_matrix(["generalise"] * 2))
    assert turned[0, 1] > turned[1, 0]


def test_paper_002_recovers_two_trees_it_is_told_the_stage_of() -> None:
    """Specialization makes weights less tailed: uniform noise lowers the kurtosis of heavy-tailed roots."""
    rng = np.random.default_rng(8)
    models: list[dict[str, np.ndarray]] = []
    truth: list[int] = []
    for _ in range(2):
        top = len(models)
        models.append({"w": rng.standard_t(5, (60, 60)).astype(np.float32)})
        truth.append(-1)
        for parent in (top, top, top + 1):
            models.append({"w": models[parent]["w"] + rng.uniform(-0.4, 0.4, (60, 60)).astype(np.float32)})
            truth.append(parent)
    assert mother.recover(models, ["specialise"] * len(models), 2) == truth


def test_paper_000_puts_quantized_models_at_leaves_and_sees_merges() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=4000)
    first, second = base + 0.1 * rng.normal(size=4000), base + 0.1 * rng.normal(size=4000)
    values = np.stack(
        (base, first, second, np.round(first * 20) / 20, (first + second) / 2, first + 0.05 * rng.normal(size=4000))
    )
    found = model_atlas.recover(values, ["1", "2", "3", "4", "5", "6"], [False, False, False, True, False, False])
    assert found[:4] == [(), (0,), (0,), (1,)]
    assert set(found[4]) == {1, 2}
    assert found[5] == (1,)


def edge_set(edges: list[Edge]) -> set[tuple[str, str, str]]:
    return {(edge.child, edge.parent, edge.relation.value) for edge in edges}


def small_family(tmp_path: Path) -> list[tuple[str, str, str]]:
    base = root(1)
    tuned, other = trained(base, 2), trained(base, 3)
    grand = trained(tuned, 4, 0.06)
    models = {
        "base": (base, "F32"), "tuned": (tuned, "F32"), "other": (other, "F32"), "grand": (grand, "F32"),
        "copy": (tuned, "F32"), "cast": (other, "BF16"), "int8": (matrices(tuned, lambda v: quantized(v, 8, 0)), "BF16"),
        "merge": ({n: 0.5 * v + 0.5 * other[n] for n, v in tuned.items()}, "F32"),
        "permuted": (permuted(grand, 5), "F32"), "stranger": (root(50), "F32"),
    }  # fmt: skip
    for place, (name, (weights, dtype)) in enumerate(models.items()):
        write(tmp_path / name, stored(weights, dtype), dtype, shards=1 + place % 2)
    return [
        ("tuned", "base", "finetune"), ("other", "base", "finetune"), ("grand", "tuned", "finetune"),
        ("copy", "tuned", "duplicate"), ("cast", "other", "quantized"), ("int8", "tuned", "quantized"),
        ("merge", "tuned", "merge"), ("merge", "other", "merge"), ("permuted", "grand", "duplicate"),
    ]  # fmt: skip


def test_a_whole_family_is_charted_in_any_order(tmp_path: Path) -> None:
    truth = set(small_family(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    days = {name: f"2024-01-{day:02d}" for day, name in enumerate(
        ["base", "tuned", "other", "grand", "copy", "cast", "int8", "merge", "permuted", "stranger"], 1)}  # fmt: skip
    prints = [print_of(tmp_path / name, name, days[name]) for name in names]
    edges = chart(prints, Rereader())
    assert edge_set(edges) == truth
    assert edge_set(chart(prints[::-1], Rereader())) == truth
    assert min(edge.confidence for edge in edges) > 0.5
    weights = {edge.parent: edge.evidence.weight for edge in edges if edge.relation is Relation.MERGE}
    assert weights == pytest.approx({"tuned": 0.5, "other": 0.5}, abs=0.03)


def test_without_the_weights_at_hand_the_fingerprints_speak(tmp_path: Path) -> None:
    left_out = ("permuted", "copy")
    truth = {edge for edge in small_family(tmp_path) if edge[0] not in left_out}
    names = [path.name for path in tmp_path.iterdir() if path.name not in left_out]
    edges = edge_set(chart([print_of(tmp_path / name, name) for name in names], None, time=False))
    assert len(edges & truth) >= len(truth) - 2
    assert not any("stranger" in edge for edge in edges)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_merge_of_two_families_is_of_both(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Whichever comes first stands for its family; the units of one parent are in another order than its family's."""
    one, other = root(1), root(2)
    moved = permuted(other, 5)
    merged = {name: (0.7 * one[name] + 0.3 * moved[name]).astype(np.float32) for name in one}
    models = [one, other, moved, merged]
    prints = [print_of(write(tmp_path / str(at), models[at]), str(at)) for at in order]
    assert [len(part) for part in relatives(prints)] == [4]


def test_relatives_are_the_components_of_all_pairs() -> None:
    prints = synthetic(330, seed=3)
    random.Random(1).shuffle(prints)
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    whole = nx.Graph()
    whole.add_nodes_from(range(len(prints)))
    whole.add_edges_from(np.argwhere(cosines(vectors) > LINKED).tolist())
    expected = sorted(sorted(part) for part in nx.connected_components(whole))
    assert sorted(relatives(prints)) == expected
    assert sorted(map(len, expected)) == [30, 100, 100, 100]


def test_charts_in_processes_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = synthetic(160, seed=4)
    alone = chart(prints, None)
    monkeypatch.setattr("ingest.weights.chart.MANY", 100)
    assert chart(prints[::-1], None) == alone
    assert len(alone) > 120


def test_a_process_that_dies_is_an_error_of_ours() -> None:
    with pytest.raises(UsageError, match="__main__"), workers(many=True) as pool:
        pool.submit(os._exit, 3).result()


def test_sets_of_models_are_those_that_solving_each_gives() -> None:
    """The search of merges grows sets by Schur complements: the same as solving every set, one by one."""
    rng = np.random.default_rng(5)
    points = rng.normal(size=(9, 40)) + 0.5
    gram = points @ points.T / 40
    sets, left = best_pairs(gram)
    for size in (2, 3, 4):
        if size > 2:
            sets, left = extend_subsets(gram, sets)
        everything = {}
        for rows in combinations(range(9), size):
            total = np.linalg.solve(gram[np.ix_(rows, rows)], np.ones(size)).sum()
            everything[rows] = 1 / total
        found = dict(zip(map(tuple, sets.tolist()), left.tolist(), strict=True))
        assert all(value == pytest.approx(everything[rows], rel=1e-6) for rows, value in found.items())
        best = sorted(everything, key=everything.__getitem__)[:5]
        assert set(best) <= set(found)
    least = 1 / np.linalg.solve(gram, np.ones(9)).sum()
    assert joint_residual(gram) == pytest.approx(least, rel=0.02) and least < min(everything.values())


def test_sets_of_models_are_not_looked_for_where_all_together_leave_too_much() -> None:
    points = np.random.default_rng(6).normal(size=(6, 40))
    points[5] = 0.5 * (points[1] + points[2])
    inner = points @ points.T / 40
    assert min(left for _, left in search_subsets(inner, 5, range(5), max_residual=0.01)) < 1e-9
    assert not search_subsets(inner, 0, range(1, 6), max_residual=0.01) and search_subsets(inner, 0, range(1, 6))


def test_models_that_come_one_by_one_end_in_the_chart_of_all_at_once() -> None:
    prints = synthetic(130, seed=6)
    for seed in range(2):
        order = random.Random(seed).sample(prints, len(prints))
        here, edges = order[:100], {}
        for edge in chart(here, None):
            edges[edge.child, edge.parent] = edge
        for item in order[100:]:
            here.append(item)
            touched = around(here, {item.id})
            ids = {each.id for each in touched}
            assert item.id in ids and len(touched) < len(here)
            kept = {pair: edge for pair, edge in edges.items() if pair[0] not in ids}
            edges = kept | {(edge.child, edge.parent): edge for edge in chart(touched, None)}
        assert list(edges[pair] for pair in sorted(edges)) == chart(prints, None)


def test_an_adapter_may_belong_anywhere(tmp_path: Path) -> None:
    prints = synthetic(20, seed=7)
    prints[3].adapter = True
    assert around(prints, {prints[3].id}) == prints
