"""Open draws of a zoo: what is left out, what is right then, and which models are siblings of an absent parent."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.zoo.views import (
    core_neighbours,
    draw_absent,
    only_child,
    open_truth,
    pair_counts,
    siblings,
)

# R is cast to r16 and tuned to a and b; a is tuned to a1 and a2; S is tuned to t. `lora` adapts a, `m` merges a and b.
FAMILY = {"R": "f", "r16": "f", "a": "f", "b": "f", "a1": "f", "a2": "f", "lora": "f", "m": "f", "S": "g", "t": "g"}
STEPS = [
    ("r16", "R", "cast_bf16"), ("a", "R", "finetune"), ("b", "R", "finetune"), ("a1", "a", "finetune"),
    ("a2", "a", "finetune"), ("lora", "a", "adapter_lora"), ("m", "a", "merge_linear"), ("m", "b", "merge_linear"),
    ("t", "S", "finetune"),
]  # fmt: skip


@pytest.fixture
def truth() -> dict[str, Any]:
    kinds = {child: kind for child, _, kind in STEPS}
    return {
        "nodes": [{"id": name, "family": family, "kind": kinds.get(name, "root")} for name, family in FAMILY.items()],
        "edges": [
            {
                "child": child,
                "parent": parent,
                "kind": kind,
                "optional": False,
                "relation": "x",
                "relation_accept": ["x"],
            }
            for child, parent, kind in STEPS
        ],
        "roots": ["R", "S"],
        "core": ["R", "S", "a", "t"],
    }


def pairs(truth: dict[str, Any], *, optional: bool) -> set[tuple[str, str]]:
    return {(edge["child"], edge["parent"]) for edge in truth["edges"] if edge["optional"] == optional}


def test_rules_draw_roots_hubs_and_a_share_of_the_inner_models(truth: dict[str, Any]) -> None:
    assert draw_absent(truth, "roots", 0) == {"R", "S"}
    assert draw_absent(truth, "hubs", 0) == {"a"}
    assert draw_absent(truth, "inner=.5", 0) in ({"a"}, {"b"})
    assert len({frozenset(draw_absent(truth, "inner=.5", seed)) for seed in range(9)}) == 2
    assert draw_absent(truth, "inner=1", 0) == {"a", "b"}


@pytest.mark.parametrize("rule", ["leaves", "inner", "inner=", ""])
def test_an_unknown_rule_names_those_there_are(truth: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match="roots, hubs, inner"):
        draw_absent(truth, rule, 0)


def test_a_cast_stands_for_its_absent_parent(truth: dict[str, Any]) -> None:
    seen = open_truth(truth, {"R"})
    assert pairs(seen, optional=True) == {("a", "r16"), ("b", "r16")}
    assert ("r16", "R") not in pairs(seen, optional=False)
    assert set(seen["roots"]) == {"r16", "a", "b", "S"}


def test_the_original_stands_for_an_absent_cast(truth: dict[str, Any]) -> None:
    step = {"kind": "finetune", "optional": False, "relation": "x", "relation_accept": ["x"]}
    truth["edges"].append({"child": "b", "parent": "r16", **step})
    assert ("b", "R") in pairs(open_truth(truth, {"r16"}), optional=False) | pairs(
        open_truth(truth, {"r16"}), optional=True
    )


def test_nothing_stands_for_a_fine_tune_but_ancestors_may_count(truth: dict[str, Any]) -> None:
    assert pairs(open_truth(truth, {"a"}), optional=True) == set()
    assert pairs(open_truth(truth, {"a"}, ancestors=True), optional=True) == {
        (child, parent) for child in ("a1", "a2", "lora", "m") for parent in ("R", "r16")
    }


def test_ancestors_are_looked_for_through_absent_ones(truth: dict[str, Any]) -> None:
    seen = pairs(open_truth(truth, {"a", "R"}, ancestors=True), optional=True)
    assert {("a1", "r16"), ("b", "r16")} <= seen


def test_nothing_absent_changes_nothing(truth: dict[str, Any]) -> None:
    seen = open_truth(truth, set())
    assert seen["edges"] == truth["edges"]
    assert seen["nodes"] == truth["nodes"]
    assert set(seen["roots"]) == set(truth["roots"])


def test_siblings_are_whole_models_of_one_absent_parent_that_nothing_stands_for(truth: dict[str, Any]) -> None:
    assert siblings(truth, {"a"}) == {"a1": "a", "a2": "a"}
    assert siblings(truth, {"R"}) == {}  # its cast is there
    assert siblings(truth, {"R", "r16"}) == {"a": "R", "b": "R"}
    assert siblings(truth, {"R", "r16", "a"}) == {"b": "R", "a1": "a", "a2": "a"}


def test_pairs_of_siblings_are_counted_once_and_strangers_count_against() -> None:
    parent = {"a1": "a", "a2": "a", "a3": "a", "b1": "b"}
    assert pair_counts([{"a1", "a2", "a3"}], parent, ()) == [3, 3, 3]
    assert pair_counts([{"a1", "a2"}, {"a3", "b1"}], parent, ()) == [1, 2, 3]
    assert pair_counts([{"a1", "a2", "S"}], parent, ()) == [1, 3, 3]
    assert pair_counts([{"a1", "a2", "lora"}, {"x", "y"}], parent, {"lora"}) == [1, 1, 3]
    assert pair_counts([{"a1", "a2"}, {"a2", "a1"}], parent, ()) == [1, 1, 3]


def test_each_model_is_charted_beside_the_core_and_its_ancestors(truth: dict[str, Any]) -> None:
    among = core_neighbours(truth)
    assert among["m"] == {"R", "S", "a", "t", "b", "m"}
    assert among["a1"] == {"R", "S", "a", "t", "a1"}
    assert "a" not in among
    alone = only_child(truth, "m", among["m"])
    assert pairs(alone, optional=False) == {("m", "a"), ("m", "b")}
    assert {node["id"] for node in alone["nodes"]} == among["m"]


def test_a_zoo_without_a_core_is_refused(truth: dict[str, Any]) -> None:
    del truth["core"]
    with pytest.raises(ValueError, match="no core family"):
        core_neighbours(truth)
