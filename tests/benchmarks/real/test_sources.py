"""Readers of the public test sets, on files in the layout of each, with few models."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from atlas_db.core.errors import InputError
from atlas_db.core.terms import Relation
from benchmarks.real.public_sets import ExpectedPair
from benchmarks.real.sources import SOURCES, Source, read_checkout

FAMILIES = """
max_loaded_models: 1
models:
  - model_family: one
    pretrained_model: {model_name: b, model_path: acme/river}
    instruct_model: {model_name: i, model_path: acme/river-it}
    predeployed_models:
      - {model_name: q, model_path: ann/river-gptq, type: quantization}
      - {model_name: d, model_path: ann/river-r1, type: distillation}
  - model_family: two
    pretrained_model: {model_name: b, model_path: acme/tiny-chat}
    instruct_model: {model_name: b, model_path: acme/tiny-chat}
    predeployed_models:
      - {model_name: m, model_path: ann/dot, type: merge}
deploying_techniques: {general_system_prompts: []}
"""
CONFIGS = '''
"""Words."""
import os
BASE = "./checkpoints"
SFT_13B_7B_PAIRS_CONFIG = {
    "model_paths": {"a": "A-fp16", "b": "b"},
    "analysis_pairs": [{"label": "x", "weights1_name": "a", "weights2_name": "b"}],
}
ALL_MOE_PAIRS_CONFIG = {
    "model_paths": {"m": "m", "other a": "A-fp16"},
    "analysis_pairs": [
        {"label": "x", "weights1_name": "m", "weights2_name": "other a"},
        {"label": "y", "weights1_name": "other a", "weights2_name": "m"},
    ],
}
INDEPENDENT_PAIRS_CONFIG_13B = {"model_paths": {"a": "A-fp16", "x": "x", "o": "OLMo-7B"}, "analysis_pairs": []}
MODEL_HF_MAP = {"A-fp16": "meta-llama/Llama-2-7b", "b": "own/b", "m": "own/m", "x": "own/x"}
AVAILABLE_CONFIGS = {"sft": SFT_13B_7B_PAIRS_CONFIG}
def get_config(name):
    raise SystemExit("code of others is never run")
'''
TABLE = """model_id,base_model,relationship_type,Source
own/root,NONE,NONE,paper
own/tuned,own/root,finetune,
own/both,own/tuned; gone/away ;own/root,merge,
own/smooth,own/root,    post-processed ,
own/odd,own/root,,
own/copy,own/root,identical,
river_q4_k_m,own/tuned,quantized,
river_bf16,own/tuned,quantized,
"""
CHECKOUTS = {
    "leafbench": {"config/benchmark_config.yaml": FAMILIES},
    "awm": {"configs.py": CONFIGS},
    "mdgbench": {
        "evaluation/Benchmark/cluster.json": json.dumps([["own/a_b", "own/c"], ["own/d"]]),
        "evaluation/Benchmark/model_list.json": json.dumps({"models": ["own/a_b", "own/c", "own/d"]}),
        "evaluation/Benchmark/model_relation.csv": "Base Model,Relation,Derived Model\nown_a_b,peft,own_c",
    },
    "bottom-k": {
        "result/result_5.1/relationship.csv": TABLE,
        "result/result_5.1/model_lineage_data_clean.json": json.dumps({"clusters": [
            {"cluster_id": 1, "models": [line.split(",")[0] for line in TABLE.splitlines()[1:]]}
        ]}),
    },
    "cisco": {
        "benchmarks/Benchmark_All.json": json.dumps({
            "similar": [{"pair": ["own/b", "own/a"], "provenance": "identity"},
                        {"pair": ["own/a", "own/c"], "provenance": "none"}],
            "dissimilar": [{"pair": ["own/a", "own/d"], "provenance": "none"}],
        })
    },
}  # fmt: skip


@pytest.fixture
def checkouts(tmp_path: Path) -> Path:
    for source in SOURCES:
        for name, text in CHECKOUTS[source.name].items():
            file = tmp_path / source.repository.split("/")[1] / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    return tmp_path


def small(name: str) -> Source:
    """Return a source whose files are the small ones."""
    (source,) = (each for each in SOURCES if each.name == name)
    digests = {file: sha256(text.encode()).hexdigest() for file, text in CHECKOUTS[name].items()}
    assert digests.keys() == source.files.keys()
    return replace(source, files=digests)


def test_leafbench_names_families_and_types(checkouts: Path) -> None:
    found = read_checkout(small("leafbench"), checkouts)
    assert {model.id: model.family for model in found.models} == {
        "acme/river": "one", "acme/river-it": "one", "ann/river-gptq": "one", "ann/river-r1": "one",
        "acme/tiny-chat": "two", "ann/dot": "two",
    }  # fmt: skip
    edges = {edge.child: edge for edge in found.edges}
    assert edges.keys() == {"acme/river-it", "ann/river-gptq", "ann/river-r1", "ann/dot"}
    assert edges["ann/river-gptq"].parents == ("acme/river", "acme/river-it")
    assert edges["ann/river-gptq"].relations == (Relation.QUANTIZED,)
    assert (edges["ann/river-r1"].relations, edges["ann/river-r1"].kind) == ((Relation.FINETUNE,), "distillation")
    assert (edges["ann/river-r1"].label, edges["ann/river-gptq"].label) == ("finetune, distillation", "quantized")
    assert edges["ann/dot"].parents == ("acme/tiny-chat",)
    related = {pair.ids: pair.related for pair in found.all_pairs()}
    assert len(related) == 15 and sum(related.values()) == 7


def test_awm_names_pairs_and_corrects_ids(checkouts: Path) -> None:
    found = read_checkout(small("awm"), checkouts)
    assert {model.id: model.stated for model in found.models} == {
        "meta-llama/Llama-2-7b-hf": "meta-llama/Llama-2-7b", "own/b": "", "own/m": "", "own/x": "",
        "allenai/OLMo-7B": "OLMo-7B",
    }  # fmt: skip
    assert [(pair.ids, pair.kind) for pair in found.pairs if pair.related] == [
        (("meta-llama/Llama-2-7b-hf", "own/b"), "sft"), (("meta-llama/Llama-2-7b-hf", "own/m"), "moe"),
    ]  # fmt: skip
    assert sum(not pair.related for pair in found.pairs) == 3
    assert found.all_pairs() == sorted(found.pairs, key=lambda pair: pair.ids), "it states no families"


def test_mdgbench_names_are_turned_back_into_ids(checkouts: Path) -> None:
    found = read_checkout(small("mdgbench"), checkouts)
    (edge,) = found.edges
    assert (edge.child, edge.parents, edge.relations, edge.kind) == ("own/c", ("own/a_b",), (Relation.ADAPTER,), "peft")
    assert {pair.ids: pair.related for pair in found.all_pairs()} == {
        ("own/a_b", "own/c"): True, ("own/a_b", "own/d"): False, ("own/c", "own/d"): False,
    }  # fmt: skip


def test_the_bottom_k_table_keeps_what_it_does_not_know(checkouts: Path) -> None:
    found = read_checkout(small("bottom-k"), checkouts)
    edges = {(edge.child, edge.parents[0]): edge.relations for edge in found.edges}
    assert {parent for child, parent in edges if child == "own/both"} == {"own/tuned", "gone/away", "own/root"}
    assert edges["own/smooth", "own/root"] == (Relation.FINETUNE,)
    assert edges["own/odd", "own/root"] == ()
    assert edges["own/copy", "own/root"] == (Relation.DUPLICATE,)
    assert edges["river_q4_k_m", "own/tuned"] == (Relation.QUANTIZED,)
    assert edges["river_bf16", "own/tuned"] == (Relation.QUANTIZED, Relation.DUPLICATE)
    models = {model.id: model for model in found.models}
    assert models["river_bf16"].is_local and not models["own/root"].is_local
    assert models["gone/away"].family == "", "a parent outside of the table is read, too"
    assert all(pair.related for pair in found.all_pairs()), "a base that is not stated is not known to be none"


def test_ciscos_pairs_keep_their_words(checkouts: Path) -> None:
    found = read_checkout(small("cisco"), checkouts)
    assert found.pairs == (
        ExpectedPair("own/b", "own/a", True, "identity"),
        ExpectedPair("own/a", "own/c", True, "not stated"),
        ExpectedPair("own/a", "own/d", False, "none"),
    )
    assert found.license == "Apache-2.0"


def test_a_file_of_another_commit_is_refused(checkouts: Path) -> None:
    for source in SOURCES:
        with pytest.raises(InputError, match=f"not that of commit {source.commit[:7]}.*checkout {source.commit}"):
            read_checkout(source, checkouts)
    with pytest.raises(InputError, match=r"configs.py: No such file.*Clone github.com/LUMIA-Group/AWM"):
        read_checkout(small("awm"), checkouts / "elsewhere")
