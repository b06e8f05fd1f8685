"""Tests of `ingest/weights/shape_links.py`: parents of other shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.fusion.evidence import SharedPartEvidence
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.samples.resample import Resampler
from tests.support.families import LAYERS, Weights, print_of, root, trained, with_fewer_neurons, write

EXPERTS = 2


def as_experts(weights: Weights) -> Weights:
    """Copy every MLP into experts beside a new router, as upcycling does."""
    out = {name: value for name, value in weights.items() if ".mlp." not in name}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for expert in range(EXPERTS):
            for old, new in (("gate", "w1"), ("down", "w2"), ("up", "w3")):
                copied = weights[f"{at}mlp.{old}_proj.weight"]
                out[f"{at}block_sparse_moe.experts.{expert}.{new}.weight"] = copied
        out[f"{at}block_sparse_moe.gate.weight"] = np.full((EXPERTS, copied.shape[1]), 0.01, np.float32)
    return out


@pytest.fixture
def dense() -> dict[str, Weights]:
    start = root(1)
    first, second = trained(start, 2), trained(start, 3, 0.2)
    return {"root": start, "first": first, "second": second, "below": trained(first, 4)}


def prints(folder: Path, models: dict[str, Weights]) -> list[Fingerprint]:
    dates = {name: f"2024-01-{1 + place:02d}" for place, name in enumerate(models)}
    return [print_of(write(folder / name, weights), name, dates[name]) for name, weights in models.items()]


@pytest.mark.slow
def test_without_dates_the_model_with_fewer_neurons_is_the_child(tmp_path: Path, dense: dict[str, Weights]) -> None:
    known = prints(tmp_path, {**dense, "narrow": with_fewer_neurons(dense["second"], 96, 7)})
    edges = {(edge.child, edge.parent): edge.confidence for edge in chart(known, Resampler(), time=False)}
    assert edges["narrow", "second"] > 0.9
    assert not [pair for pair in edges if pair[1] == "narrow"]


@pytest.mark.slow
def test_a_model_with_fewer_neurons_or_with_experts_comes_from_the_dense_one(
    tmp_path: Path, dense: dict[str, Weights]
) -> None:
    narrow, moe = with_fewer_neurons(dense["second"], 96, 7), as_experts(dense["below"])
    models = {**dense, "narrow": narrow, "narrow-ft": trained(narrow, 8), "moe": moe, "moe-ft": trained(moe, 9)}
    known = prints(tmp_path, models)
    edges = {(edge.child, edge.parent): edge for edge in chart(known, Resampler())}
    alone = {(edge.child, edge.parent): edge.confidence for edge in chart(known[: len(dense)], Resampler())}
    others = {pair: edge for pair, edge in edges.items() if pair[0] not in dense}
    assert {pair: edge.confidence for pair, edge in edges.items() if pair[0] in dense} == alone
    assert others.keys() == {("narrow", "second"), ("narrow-ft", "narrow"), ("moe", "below"), ("moe-ft", "moe")}
    for pair, least in ((("narrow", "second"), 0.5), (("moe", "below"), 0.25)):
        evidence = others[pair].evidence
        assert isinstance(evidence, SharedPartEvidence)
        assert evidence.exact and least <= evidence.shared < 1


def test_models_of_other_shapes_without_common_weights_are_not_joined(
    tmp_path: Path, dense: dict[str, Weights]
) -> None:
    known = prints(
        tmp_path, {**dense, "stranger": with_fewer_neurons(root(99), 96, 7), "experts": as_experts(root(98))}
    )
    assert not [edge for edge in chart(known, Resampler()) if {edge.child, edge.parent} & {"stranger", "experts"}]
