"""Families by real tools: the plan, and a family of every architecture made in small."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.zoo.plan import Plan
from benchmarks.zoo.tools.draws import ARCHITECTURES, CORE, KINDS, allowed, draw_family

TOOLS = ("bitsandbytes", "diffusers", "mergekit", "peft", "sentence_transformers", "transformers")
MISSING = [name for name in TOOLS if find_spec(name) is None]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; uv sync --group zoo")
SMALL = [name for name in ARCHITECTURES if name != "llama-wide"]
# Warnings of the tools about themselves are none of ours
quiet = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("seed", range(5))
def test_a_plan_holds_the_core_first_and_parents_before_children(architecture: str, seed: int) -> None:
    plan = draw_family(architecture, seed)
    assert [plan.nodes[place].kind for place in plan.core] == ["root", "root", *["finetune"] * 5]
    assert len(plan.core) == len(CORE)
    for place, node in enumerate(plan.nodes):
        assert all(parent < place for parent in node.parents), node
        assert bool(node.parents) == (node.kind != "root")
        assert {plan.nodes[parent].family for parent in node.parents} <= {node.family}
        assert all(not KINDS[plan.nodes[p].kind].leaf for p in node.parents if plan.nodes[p].kind in KINDS
                   if node.kind != "merge_linear_lora"), node  # fmt: skip
    assert len({node.id for node in plan.nodes}) == len(plan.nodes)


def test_a_seed_gives_one_plan_and_another_seed_another() -> None:
    assert draw_family("llama", 7) == draw_family("llama", 7)
    assert draw_family("llama", 7) != draw_family("llama", 8)
    assert draw_family("llama", 7).nodes != draw_family("gpt2", 7).nodes


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kind_is_made_where_it_is_asked_for(architecture: str) -> None:
    wanted = allowed(architecture)
    assert set(wanted) <= {node.kind for node in draw_family(architecture, 1, size=8, kinds=wanted).nodes}


def test_merges_join_models_of_one_root_with_its_tensors() -> None:
    plan = draw_family("llama", 3, size=8, kinds=allowed("llama"))
    cut = {"pruned_width", "pruned_depth", "vocab_resize", "merge_moe", "merge_passthrough_deeper"}
    for node in plan.nodes:
        if KINDS.get(node.kind, KINDS["finetune"]).parents[1] > 1:
            parents = [plan.nodes[place] for place in node.parents]
            assert not {parent.kind for parent in parents} & cut, node
            if KINDS[node.kind].base:
                assert parents[-1].kind == "root"


def test_dates_follow_parents_but_for_few() -> None:
    nodes = [node for seed in range(10) for node in draw_family("bert", seed).nodes]
    assert 0 < sum(node.created_at == "2022-03-02T23:29:04.000Z" for node in nodes) < len(nodes) / 8
    plan = draw_family("bert", 1)
    assert all(plan.nodes[p].made_at < node.made_at for node in plan.nodes for p in node.parents)


@needs_tools
@quiet
@pytest.mark.train
@pytest.mark.parametrize("architecture", SMALL)
def test_every_kind_is_made_and_every_architecture(architecture: str, tmp_path: Path) -> None:
    from benchmarks.zoo.tools.family import make_family

    plan = draw_small(architecture)
    made: list[str] = []
    make_family(plan, tmp_path, made.append)
    assert len(made) == len(plan.nodes)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert {node["id"] for node in truth["nodes"]} == {node.id for node in plan.nodes}
    assert len(truth["core"]) == len(CORE)
    listed = [json.loads(line) for line in (tmp_path / "hub.jsonl").read_text().splitlines()]
    for line in listed:
        folder = tmp_path / line["folder"]
        assert [file for file in folder.rglob("*") if file.suffix in (".safetensors", ".gguf")], line
        for file in folder.rglob("*.json"):
            assert str(tmp_path) not in file.read_text(), "a path of this machine"
    (tmp_path / "truth.json").unlink()
    again: list[str] = []
    make_family(draw_small(architecture), tmp_path, again.append)
    assert again == []
    assert json.loads((tmp_path / "truth.json").read_text()) == truth


def draw_small(architecture: str) -> Plan:
    """Return a small plan: each kind is made of two architectures, of those with the fewest kinds so far."""
    kinds: dict[str, list[str]] = {name: [] for name in SMALL}
    for kind in KINDS:
        able = [name for name in SMALL if kind in allowed(name)]
        for name in sorted(able, key=lambda name: len(kinds[name]))[:2]:
            kinds[name].append(kind)
    plan = draw_family(architecture, 4, size=8, kinds=kinds[architecture])
    plan.width = 64
    plan.shorten(2)
    return plan
