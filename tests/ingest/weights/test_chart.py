"""Tests of `ingest/weights/chart.py`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from atlas_db.core.terms import Relation, is_origin
from benchmarks.weights import synthetic
from ingest.weights.chart import chart
from ingest.weights.samples.model_families import affected_families
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge
from tests.support.changes import matrices, permuted, quantized
from tests.support.families import print_of, root, stored, trained, write


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


@pytest.mark.slow
def test_a_whole_family_is_charted_in_any_order(tmp_path: Path) -> None:
    truth = set(small_family(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    days = {name: f"2024-01-{day:02d}" for day, name in enumerate(
        ["base", "tuned", "other", "grand", "copy", "cast", "int8", "merge", "permuted", "stranger"], 1)}  # fmt: skip
    prints = [print_of(tmp_path / name, name, days[name]) for name in names]
    edges = chart(prints, Resampler())
    assert edge_set(edges) == truth
    assert edge_set(chart(prints[::-1], Resampler())) == truth
    assert min(edge.confidence for edge in edges) > 0.5
    weights = {edge.parent: edge.evidence.weight for edge in edges if edge.relation is Relation.MERGE}
    assert weights == pytest.approx({"tuned": 0.5, "other": 0.5}, abs=0.03)


def test_without_the_weights_at_hand_the_fingerprints_count(tmp_path: Path) -> None:
    left_out = ("permuted", "copy")
    truth = {edge for edge in small_family(tmp_path) if edge[0] not in left_out}
    names = [path.name for path in tmp_path.iterdir() if path.name not in left_out]
    edges = edge_set(chart([print_of(tmp_path / name, name) for name in names], None, time=False))
    assert len(edges & truth) >= len(truth) - 2
    assert not any("stranger" in edge for edge in edges)


@pytest.mark.slow
def test_charts_in_processes_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = synthetic(160, seed=4)
    alone = chart(prints, None)
    monkeypatch.setattr("ingest.weights.chart.MIN_MODELS_FOR_PROCESSES", 100)
    assert chart(prints[::-1], None) == alone
    assert len(alone) > 120


@pytest.mark.slow
def test_models_that_come_one_by_one_end_in_the_chart_of_all_at_once() -> None:
    prints = synthetic(130, seed=6)
    expected = chart(prints, None)
    for seed in range(2):
        order = random.Random(seed).sample(prints, len(prints))
        here, edges = order[:122], {}
        for edge in chart(here, None):
            edges[edge.child, edge.parent] = edge
        for item in order[122:]:
            here.append(item)
            touched = affected_families(here, {item.id})
            ids = {each.id for each in touched}
            assert item.id in ids and len(touched) < len(here)
            # As `write_inferred` does it: with a model's edges, those of the origins that it came from go.
            gone = ids | {parent for child, parent in edges if child in ids and is_origin(parent)}
            kept = {pair: edge for pair, edge in edges.items() if pair[0] not in gone}
            edges = kept | {(edge.child, edge.parent): edge for edge in chart(touched, None)}
        assert list(edges[pair] for pair in sorted(edges)) == expected
