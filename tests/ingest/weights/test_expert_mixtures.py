"""Tests of `ingest/weights/expert_mixtures.py`: experts that are the feed-forward parts of dense models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import MergeEvidence
from ingest.weights.chart import chart
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge
from tests.support.families import HIDDEN, Weights, print_of, root, stored, trained, write

Models = dict[str, tuple[Weights, str]]
_MLP = re.compile(r"layers\.\d+\.mlp\.")


def mixture(base: Weights, experts: Sequence[Weights], *, is_fused: bool = False, seed: int = 0) -> Weights:
    """Return a mixture as mergekit-moe makes it: each expert is a model's MLP, routers are new, the rest is the base's.

    Args:
        base: Model whose attention and words it has.
        experts: Models of the experts.
        is_fused: Whether a tensor holds all experts of a layer, as transformers 5 stores them, or each has its own.
        seed: Seed of the routers.
    """
    out = {name: value for name, value in base.items() if not _MLP.search(name)}
    for layer in sorted({_MLP.search(name)[0] for name in base if _MLP.search(name)}):  # type: ignore[index]
        at = f"model.{layer}"
        parts = {end: [each[f"{at}{end}_proj.weight"] for each in experts] for end in ("gate", "up", "down")}
        router = np.random.default_rng(seed).normal(size=(len(experts), HIDDEN))
        out[f"{at}gate.weight"] = router.astype(np.float32)
        if is_fused:
            both = [np.concatenate(pair) for pair in zip(parts["gate"], parts["up"], strict=True)]
            out |= {f"{at}experts.gate_up_proj": np.stack(both), f"{at}experts.down_proj": np.stack(parts["down"])}
            continue
        for end, some in parts.items():
            out |= {f"{at}experts.{place}.{end}_proj.weight": value for place, value in enumerate(some)}
    return out


def charted(folder: Path, models: Models, *, time: bool = True) -> dict[str, list[Edge]]:
    prints = [
        print_of(write(folder / name, *made), name, f"2024-01-{1 + place:02d}")
        for place, (name, made) in enumerate(models.items())
    ]
    found: dict[str, list[Edge]] = {name: [] for name in models}
    for edge in chart(prints, Resampler(), time=time):
        found[edge.child].append(edge)
    return found


@pytest.fixture
def models() -> Models:
    base = root(1)
    return {"base": (base, "F32")} | {name: (trained(base, seed), "F32") for seed, name in enumerate("abc", 2)}


@pytest.mark.parametrize("is_fused", [False, True])
@pytest.mark.parametrize("time", [True, False])
def test_experts_of_several_models_name_each_of_them(
    tmp_path: Path, models: Models, is_fused: bool, time: bool
) -> None:
    a, b = models["a"][0], models["b"][0]
    made = mixture(a, [a, b, b, a], is_fused=is_fused)
    before = charted(tmp_path / "before", models, time=time)
    found = charted(tmp_path / "after", {**models, "mixture": (made, "F32")}, time=time)
    assert [(edge.parent, edge.relation) for edge in found["mixture"]] == [("a", Relation.MERGE), ("b", Relation.MERGE)]
    for edge in found["mixture"]:
        assert isinstance(edge.evidence, MergeEvidence)
        assert (edge.evidence.method, edge.evidence.weight, edge.evidence.base) == ("moe", 0.5, "a")
    assert {name: found[name] for name in models} == before


def test_a_base_whose_feed_forward_part_is_in_no_expert_is_a_parent_without_weight(
    tmp_path: Path, models: Models
) -> None:
    made = stored(mixture(models["c"][0], [models["a"][0], models["b"][0]]), "BF16")
    edges = charted(tmp_path, {**models, "mixture": (made, "BF16")})["mixture"]
    weights = {edge.parent: edge.evidence.weight for edge in edges if isinstance(edge.evidence, MergeEvidence)}
    assert weights == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_equal_candidates_share_the_confidence(tmp_path: Path, models: Models) -> None:
    """A model whose attention alone was trained has the feed-forward part that it began with."""
    a, b = models["a"][0], models["b"][0]
    twin = {name: value if _MLP.search(name) else trained({name: value}, 9)[name] for name, value in b.items()}
    found = charted(tmp_path, {**models, "twin": (twin, "F32"), "mixture": (mixture(a, [a, b]), "F32")})["mixture"]
    by_parent = {edge.parent: edge for edge in found}
    assert set(by_parent) == {"a", "b"}
    assert by_parent["b"].evidence.alternatives == {"twin": 0.5}
    assert by_parent["b"].confidence < 0.5 < by_parent["a"].confidence


@pytest.mark.parametrize("trained_on", ["one expert", "nothing"])
def test_no_merge_where_an_expert_is_nobodys_or_all_are_one_models(
    tmp_path: Path, models: Models, trained_on: str
) -> None:
    a, b = models["a"][0], models["b"][0]
    experts = [a, trained(b, 7, 0.02)] if trained_on == "one expert" else [a, a]
    edges = charted(tmp_path, {**models, "mixture": (mixture(a, experts), "F32")})["mixture"]
    assert [(edge.parent, edge.relation) for edge in edges] == [("a", Relation.FINETUNE)]


def test_the_first_of_equal_mixtures_has_the_parents(tmp_path: Path, models: Models) -> None:
    a, b = models["a"][0], models["b"][0]
    made = mixture(a, [a, b])
    found = charted(tmp_path, {**models, "first": (made, "F32"), "again": (made, "F32")})
    assert {edge.relation for edge in found["first"]} == {Relation.MERGE}
    assert [(edge.parent, edge.relation) for edge in found["again"]] == [("first", Relation.DUPLICATE)]


def test_nothing_comes_of_a_model_that_is_dated_later(tmp_path: Path, models: Models) -> None:
    a, b = models["a"][0], models["b"][0]
    ordered = {"base": models["base"], "a": models["a"], "mixture": (mixture(a, [a, b]), "F32"), "b": models["b"]}
    assert {edge.parent for edge in charted(tmp_path, ordered)["mixture"]} == {"a"}
