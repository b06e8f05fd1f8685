"""Tests of `ingest/weights/samples/model_families.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.fusion.evidence import DepthPrunedEvidence
from benchmarks.weights import synthetic
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.samples.model_families import affected_families, chart_units, related_families, shape_of
from ingest.weights.samples.resample import Resampler
from tests.support.families import Weights, print_of, root, trained, write


def without_last_layer(weights: Weights) -> Weights:
    last = max(int(name.split(".")[2]) for name in weights if name.startswith("model.layers."))
    return {name: value for name, value in weights.items() if f".layers.{last}." not in name}


@pytest.fixture
def models() -> dict[str, Weights]:
    start = root(1)
    first, second = trained(start, 2), trained(start, 3, 0.2)
    below = trained(first, 4)
    cut = without_last_layer(second)
    return {"root": start, "first": first, "second": second, "below": below, "cut": cut, "cut-ft": trained(cut, 5)}


def prints(folder: Path, models: dict[str, Weights]) -> list[Fingerprint]:
    dates = {name: f"2024-01-0{1 + place}" for place, name in enumerate(models)}
    return [print_of(write(folder / name, weights), name, dates[name]) for name, weights in models.items()]


@pytest.mark.slow
def test_a_model_with_fewer_layers_is_of_the_family_and_changes_no_edge_of_the_others(
    tmp_path: Path, models: dict[str, Weights]
) -> None:
    known = prints(tmp_path, models)
    deep = [item for item in known if not item.id.startswith("cut")]
    assert [len(part) for part in related_families(known)] == [6]
    alone = {(edge.child, edge.parent): edge.confidence for edge in chart(deep, Resampler())}
    together = {(edge.child, edge.parent): edge.confidence for edge in chart(known, Resampler())}
    assert {pair: share for pair, share in together.items() if not pair[0].startswith("cut")} == alone
    assert {pair for pair in together if pair[0].startswith("cut")} == {("cut", "second"), ("cut-ft", "cut")}
    evidence = next(edge.evidence for edge in chart(known, Resampler()) if edge.child == "cut")
    assert isinstance(evidence, DepthPrunedEvidence)
    assert evidence.kept == 0.5


def test_a_shape_is_charted_with_all_that_have_its_tensors(tmp_path: Path, models: dict[str, Weights]) -> None:
    known = prints(tmp_path, models)
    units = {tuple(unit.children): unit.members for unit in chart_units(known)}
    assert units == {(0, 1, 2, 3): [0, 1, 2, 3], (4, 5): [0, 1, 2, 3, 4, 5]}
    # The same names of other sides are another shape, which holds nothing of these.
    wide = {name: np.repeat(value, 2, value.ndim - 1) for name, value in models["root"].items()}
    other = print_of(write(tmp_path / "wide", wide), "wide")
    assert shape_of(other).tensors == shape_of(known[0]).tensors
    assert {tuple(unit.children): unit.members for unit in chart_units([*known, other])} == {**units, (6,): [6]}
    assert sorted(map(len, related_families([*known, other]))) == [1, 6]


def test_an_adapter_may_belong_anywhere() -> None:
    some = synthetic(20, seed=7)
    some[3].adapter = True
    assert affected_families(some, {some[3].id}) == some


def test_a_new_model_affects_its_family_alone(tmp_path: Path, models: dict[str, Weights]) -> None:
    known = prints(tmp_path, models)
    others = [print_of(write(tmp_path / f"other{n}", trained(root(9), n)), f"other{n}") for n in range(3)]
    for new, expected in (("cut", known), ("below", known), ("other1", others)):
        assert affected_families([*known, *others], {new}) == expected
