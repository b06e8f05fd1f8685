"""Tests of `ingest/hub/file_claims.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from atlas_db.claims.model_names import MentionIndex, NameEvidence
from atlas_db.claims.repository_ids import repository_name
from atlas_db.core.records import HubRecord, MergeTerm
from atlas_db.core.terms import MIN_ACTIVE_CONFIDENCE, RecordPart, Relation
from ingest.hub import file_claims
from ingest.hub.decode import decode_record


def record(config: dict[str, Any] | None = None, **files: Any) -> HubRecord:
    row = {"id": "kid/model", "modelId": "kid/model", "config": config, "file_metadata": files or None}
    return decode_record(json.dumps(row).encode())


def parents(found: HubRecord) -> list[tuple[str, Relation, str]]:
    return [(each.name, each.relation, each.part.value) for each in found.parents]


@pytest.mark.parametrize("key", ["base_model_name_or_path", "model"])
def test_an_adapters_configuration(key: str) -> None:
    found = record(adapter_config={"peft_type": "LORA", key: "acme/river"})
    assert parents(found) == [("acme/river", Relation.ADAPTER, "adapter_config")]
    assert (found.parents[0].confidence, found.parts) == (1.0, (RecordPart.ADAPTER_CONFIG,))


def test_the_configuration_in_an_answer_of_the_hub() -> None:
    found = record({"model_type": "llama", "peft": {"base_model_name_or_path": "acme/river", "task_type": "CAUSAL_LM"}})
    assert parents(found) == [("acme/river", Relation.ADAPTER, "adapter_config")]


def test_where_a_model_was_loaded_from() -> None:
    found = record({"model_type": "llama", "_name_or_path": "acme/river"})
    assert parents(found) == [("acme/river", Relation.FINETUNE, "config")]
    assert found.parents[0].confidence < 1.0
    for own in ("Kid/Model", "", None, 5, "none"):
        assert record({"model_type": "llama", "_name_or_path": own}).parents == []


def test_a_merge_configuration_keeps_method_weight_and_density() -> None:
    text = "merge_method: ties\nbase_model: a/b\nmodels:\n- model: c/d\n  parameters: {weight: 0.5, density: 0.3}\n"
    found = record(merge_config=text)
    assert parents(found) == [("a/b", Relation.MERGE, "merge_config"), ("c/d", Relation.MERGE, "merge_config")]
    assert found.parents[1].merge == MergeTerm("ties", 0.5, 0.3)
    assert [code for code, _ in record(merge_config="models: [").notes] == ["bad_merge_config"]


def test_an_adapter_in_gguf_has_a_base() -> None:
    """llama.cpp's converter of adapters writes the base where a quantized model has its original."""
    found = record(
        gguf={
            "general.architecture": "llama", "general.type": "adapter", "general.base_model.count": 1,
            "general.base_model.0.repo_url": "https://huggingface.co/acme/river",
        }
    )  # fmt: skip
    assert parents(found) == [("https://huggingface.co/acme/river", Relation.ADAPTER, "gguf")]


def test_a_gguf_header() -> None:
    found = record(
        gguf={
            "general.architecture": "llama", "general.license": "llama3", "general.source.repo_url": "https://hf.co/a/tuned",
            "general.base_model.count": 2,
            "general.base_model.0.repo_url": "https://huggingface.co/acme/river",
            "general.base_model.1.organization": "Acme Lab", "general.base_model.1.name": "Brook 7B v2",
            "general.dataset.count": 1, "general.dataset.0.repo_url": "https://huggingface.co/datasets/acme/pond",
        }
    )  # fmt: skip
    assert parents(found) == [
        ("https://hf.co/a/tuned", Relation.QUANTIZED, "gguf"),
        ("https://huggingface.co/acme/river", Relation.MERGE, "gguf"),
        ("Acme-Lab/Brook-7B-v2", Relation.MERGE, "gguf"),
    ]
    claims = {(claim.rel, claim.value, claim.part) for claim in found.claims}
    assert ("HAS_LICENSE", "llama3", RecordPart.GGUF) in claims
    assert ("TRAINED_ON", "acme/pond", RecordPart.GGUF) in claims
    assert found.details["model_type"] == "llama"


def test_a_gguf_header_that_names_its_own_repository_or_lies_about_counts() -> None:
    own = {"general.source.repo_url": "https://hf.co/kid/model", "general.base_model.count": 10**9}
    assert (
        record(gguf={**own, "general.base_model.0.repo_url": "https://hf.co/a/b"}).parents[0].name
        == "https://hf.co/a/b"
    )
    assert record(gguf={"general.base_model.count": "two", "general.base_model.0.name": "x"}).parents == []


def test_headers_of_safetensors_files() -> None:
    network = {
        "ss_network_module": "networks.lora",
        "ss_sd_model_name": "a/base",
        "modelspec.license": "CreativeML Open RAIL-M",
    }
    found = record(safetensors=network)
    assert parents(found) == [("a/base", Relation.ADAPTER, "safetensors")]
    assert {claim.value for claim in found.claims if claim.rel == "HAS_LICENSE"} == {"creativeml open rail-m"}
    assert parents(record(safetensors={"ss_sd_model_name": "a/base"})) == [("a/base", Relation.FINETUNE, "safetensors")]
    merged = {"modelspec.merged_from": "a/b, c/d", "sd_merge_models": json.dumps({"1f": {"name": "e/f"}, "2f": {}})}
    assert parents(record(safetensors=merged)) == [
        (name, Relation.MERGE, "safetensors") for name in ("a/b", "c/d", "e/f")
    ]
    assert record(safetensors={"format": "pt", "sd_merge_models": "no json"}).parents == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"base_model": "acme/river", "adapter": "lora"},
        {"model_name_or_path": "acme/river", "dataset": "x"},
        {"model": {"pretrained_model_name_or_path": "acme/river"}},
        {"model": "acme/river", "model_id": "none"},
        {"base_model": "none", "model": "acme/river"},
        {"model": "resnet50", "model_id_or_path": "acme/river"},
        {"model_name": "my-run", "model_args": {"model_name_or_path": "acme/river"}},
        {"trainer": {"model": {"name": "acme/river"}}},
        {"base_model": {"name": "acme/river"}, "teacher": {"model": "big/teacher"}},
        {"model_name_or_path": ["acme/river"]},
        {"model": [{"path": "acme/river"}]},
        {"teacher_model": {"model_name_or_path": "big/teacher"}, "student": {"model_name_or_path": "acme/river"}},
        {"judge": {"base_model": "big/judge"}, "args": {"policy": {"base_model": "acme/river"}}},
    ],
)
def test_arguments_of_a_training(arguments: dict[str, Any]) -> None:
    assert parents(record(training_args=arguments)) == [("acme/river", Relation.FINETUNE, "training_args")]


@pytest.mark.parametrize("kind", ["adapter_config", "merge_config", "gguf", "safetensors", "training_args"])
@pytest.mark.parametrize("content", [None, 5, [], {}, "", [{}], {"a": {"b": 1}}])
def test_contents_of_other_shapes_cost_nothing(kind: str, content: Any) -> None:
    assert record(**{kind: content}).parents == []


@pytest.mark.parametrize(
    "arguments",
    [
        *({key: {"model_name_or_path": "big/other"}} for key in (
            "teacher", "judge", "reward", "reward_model", "tokenizer", "ref_model", "draft", "critic", "value_model",
            "reference-policy", "eval", "wandb", "teacher_config",
        )),
        {"train": {"reward_model": {"base_model": "big/other"}}},
        {"model": "resnet50"}, {"model_name": "my-run"}, {"model": {"name": "vit_base"}}, {"train": {"model": "gpt"}},
        {"a": {"b": {"c": {"base_model": "too/deep"}}}}, {"model_name_or_path": ["a/b", "c/d"]},
    ],
)  # fmt: skip
def test_arguments_that_name_other_models_runs_or_architectures(arguments: dict[str, Any]) -> None:
    assert parents(record(training_args=arguments)) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [("v1-5-pruned-emaonly.ckpt", "./v1-5-pruned-emaonly.ckpt"), ("model.safetensors", "./model.safetensors"),
     ("anything-v3.safetensors [1f4b67]", "./anything-v3.safetensors"), ("models/xl.safetensors", "./models/xl.safetensors"),
     ("Stable-diffusion\\xl.ckpt", "./Stable-diffusion\\xl.ckpt"),
     ("C:\\sd\\models\\xl.ckpt", "C:\\sd\\models\\xl.ckpt"), ("acme/river.gguf", "acme/river.gguf"),
     ("acme/river/model.safetensors", "acme/river/model.safetensors"), ("acme/river", "acme/river"), ("gpt2", "gpt2")],
)  # fmt: skip
def test_names_of_files_are_paths(name: str, kept: str) -> None:
    assert [each.name for each in record(safetensors={"ss_sd_model_name": name}).parents] == [kept]
    merged = {"sd_merge_models": json.dumps({"1f": {"name": name}})}
    assert [each.name for each in record(safetensors=merged).parents] == [kept]
    known = {"acme/river": NameEvidence(9, None), "x/model.safetensors": NameEvidence(10**7, None)}
    found = MentionIndex(known, [kept]).resolve(kept, "kid/model", None)
    assert (found.parent in known) is (repository_name(kept) == "acme/river")
    if kept.startswith(("./", "C:")):
        assert found.confidence < MIN_ACTIVE_CONFIDENCE


def test_the_numbers_of_files_and_of_merged_models_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_claims, "MAX_FILES", 1)
    monkeypatch.setattr(file_claims, "MAX_MERGED", 1)
    configs = [{"base_model_name_or_path": name} for name in ("acme/a", "acme/b")]
    assert [each.name for each in record(adapter_config=configs).parents] == ["acme/a"]
    merged = json.dumps({"h1": {"name": "acme/a"}, "h2": {"name": "acme/b"}})
    assert [each.name for each in record(safetensors={"sd_merge_models": merged}).parents] == ["acme/a"]
