"""Tests of `ingest/hub/merge_config.py`: configurations as mergekit 0.1.5 writes them."""

from __future__ import annotations

import pytest

from atlas_db.core.records import MergeTerm
from ingest.hub.merge_config import MAX_MODELS, merge_terms

TIES = """\
base_model: acme/river@main
dtype: bfloat16
merge_method: ties
models:
- model: acme/river@main
- model: a/b@x+c/d
  parameters:
    density: [0.1, 0.9]
    weight: 0.5
- model: e/f
  parameters:
    weight:
    - filter: mlp
      value: 0.3
    - value: 0.7
- model: g/h
  parameters: {weight: [{value: 1}]}
parameters:
  density: 0.6
  normalize: true
"""


def test_weights_densities_and_the_base_of_task_vectors() -> None:
    terms, problem = merge_terms(TIES)
    assert problem == ""
    assert dict(terms) == {
        "acme/river@main": MergeTerm("ties", None, 0.6, base=True),
        "a/b@x": MergeTerm("ties", 0.5, None),
        "c/d": MergeTerm("ties", 0.5, None),
        "e/f": MergeTerm("ties", None, 0.6),
        "g/h": MergeTerm("ties", 1.0, 0.6),
    }


def test_slerp_states_the_share_of_the_other_model() -> None:
    text = """\
slices:
- sources:
  - {layer_range: [0, 8], model: x/y}
  - {layer_range: [0, 8], model: z/w}
merge_method: slerp
base_model: x/y
parameters: {t: 0.25}
"""
    assert merge_terms(text)[0] == [
        ("x/y", MergeTerm("slerp", 0.75, None, base=True)), ("z/w", MergeTerm("slerp", 0.25)),
    ]  # fmt: skip
    by_filter = text.replace("{t: 0.25}", "{t: [{filter: mlp, value: 0.5}, {value: 0.3}]}")
    assert [term.weight for _, term in merge_terms(by_filter)[0]] == [None, None]


def test_layers_of_one_model_taken_twice_are_one_parent() -> None:
    text = """\
merge_method: passthrough
slices:
- sources: [{model: x/y, layer_range: [0, 8]}]
- sources: [{model: x/y, layer_range: [4, 12]}]
"""
    assert merge_terms(text) == ([("x/y", MergeTerm("passthrough"))], "")


def test_a_mixture_of_experts_has_its_experts_and_a_base() -> None:
    text = "base_model: a/b\ngate_mode: hidden\nexperts:\n- source_model: c/d\n  positive_prompts: [hi]\n"
    assert merge_terms(text)[0] == [
        ("a/b", MergeTerm("mixture_of_experts", base=True)), ("c/d", MergeTerm("mixture_of_experts")),
    ]  # fmt: skip


def test_what_one_step_makes_for_another_is_no_parent() -> None:
    text = """\
name: middle
merge_method: linear
models: [{model: a/b, parameters: {weight: 1}}, {model: c/d, parameters: {weight: 0.2}}]
---
merge_method: task_arithmetic
base_model: middle
models: [{model: {model: {path: e/f, revision: main}}, parameters: {weight: 0.4}}]
"""
    assert [name for name, _ in merge_terms(text)[0]] == ["a/b", "c/d", "e/f"]


@pytest.mark.parametrize("text", ["", "merge_method: ties", "- a", "models: [", "models: 5\nslices: {a: 1}", "{}"])
def test_what_names_no_model_says_so(text: str) -> None:
    assert merge_terms(text)[0] == []
    assert merge_terms(text)[1]


def test_the_number_of_models_is_bounded() -> None:
    text = "merge_method: linear\nmodels:\n" + "".join(f"- model: a/m{i}\n" for i in range(2 * MAX_MODELS))
    assert len(merge_terms(text)[0]) == MAX_MODELS
