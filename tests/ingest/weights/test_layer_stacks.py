"""Tests of `ingest/weights/layer_stacks.py`: layers at other places than in the models they came from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import DepthPrunedEvidence, MergeEvidence
from ingest.weights.chart import chart
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge
from tests.support.families import Weights, print_of, root, stored, trained, write

_LAYER = re.compile(r"layers\.(\d+)\.")


def stack(*layers: tuple[Weights, int]) -> Weights:
    """Stack layers of models; the rest comes from the first model, as mergekit's passthrough takes it."""
    out = {name: value for name, value in layers[0][0].items() if not _LAYER.search(name)}
    for number, (weights, layer) in enumerate(layers):
        for name, value in weights.items():
            if (found := _LAYER.search(name)) and int(found[1]) == layer:
                out[_LAYER.sub(f"layers.{number}.", name)] = value
    return out


def charted(folder: Path, models: dict[str, tuple[Weights, str]], *, time: bool) -> dict[str, list[Edge]]:
    prints = [
        print_of(write(folder / name, *made), name, f"2024-01-{1 + place:02d}")
        for place, (name, made) in enumerate(models.items())
    ]
    found: dict[str, list[Edge]] = {name: [] for name in models}
    for edge in chart(prints, Resampler(), time=time):
        found[edge.child].append(edge)
    return found


@pytest.fixture
def models() -> dict[str, tuple[Weights, str]]:
    start = root(1)
    deep = stack((start, 0), (start, 1), *((root(seed), layer) for seed in (2, 3) for layer in (0, 1)))
    first, second = trained(deep, 4), trained(deep, 5)
    return {"base": (deep, "F32"), "first": (first, "F32"), "second": (second, "F32")}


@pytest.mark.parametrize("time", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", [pytest.param("F32", marks=pytest.mark.slow), "BF16"])
def test_layers_of_two_models_are_a_merge_of_both(
    tmp_path: Path, models: dict[str, tuple[Weights, str]], dtype: str, time: bool
) -> None:
    first, second = models["first"][0], models["second"][0]
    deeper = stack(*((first, at) for at in range(4)), *((second, at) for at in range(2, 6)))
    before = charted(tmp_path / "before", models, time=time)
    found = charted(tmp_path / "after", {**models, "stack": (stored(deeper, dtype), dtype)}, time=time)
    assert {(edge.parent, edge.relation) for edge in found["stack"]} == {
        ("first", Relation.MERGE), ("second", Relation.MERGE),
    }  # fmt: skip
    for edge in found["stack"]:
        assert isinstance(edge.evidence, MergeEvidence)
        assert (edge.evidence.method, edge.evidence.weight) == ("passthrough", 0.5)
    for name in models:
        assert [edge.parent for edge in found[name]] == [edge.parent for edge in before[name]], name


@pytest.mark.parametrize("time", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_model_stacked_on_itself_comes_from_it(
    tmp_path: Path, models: dict[str, tuple[Weights, str]], time: bool
) -> None:
    first = models["first"][0]
    deeper = stack(*((first, at) for at in range(4)), *((first, at) for at in range(2, 6)))
    found = charted(tmp_path, {**models, "stack": (deeper, "F32"), "copy": (deeper, "F32")}, time=time)
    original, copy = ("stack", "copy") if time else sorted(("stack", "copy"))
    assert [(edge.parent, edge.relation) for edge in found[original]] == [("first", Relation.MERGE)]
    assert [edge.relation for edge in found[copy]] == [Relation.DUPLICATE]
    assert "stack" not in {edge.parent for name in models for edge in found[name]}


@pytest.mark.parametrize("time", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_model_without_its_middle_layers_was_cut(
    tmp_path: Path, models: dict[str, tuple[Weights, str]], time: bool
) -> None:
    first = models["first"][0]
    found = charted(tmp_path, {**models, "cut": (stack((first, 0), (first, 1), (first, 5)), "F32")}, time=time)
    (edge,) = found["cut"]
    assert edge.parent == "first"
    assert isinstance(edge.evidence, DepthPrunedEvidence)
    assert edge.evidence.kept == 0.5
    assert "cut" not in {edge.parent for name in models for edge in found[name]}


@pytest.mark.slow
def test_a_trained_stack_is_no_stack_of_exact_layers(tmp_path: Path, models: dict[str, tuple[Weights, str]]) -> None:
    first = models["first"][0]
    deeper = trained(stack(*((first, at) for at in (*range(4), *range(2, 6)))), 9)
    found = charted(tmp_path, {**models, "solar": (deeper, "F32")}, time=True)
    assert all(edge.relation is not Relation.MERGE for edge in found["solar"])
