"""Names, relations, licences, languages, dates: pure functions, by example and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.terms import Relation, Resolution
from atlas_db.fusion.evidence import MentionEvidence
from ingest.normalise import license_ids
from ingest.normalise.model_names import MentionIndex, NameEvidence
from ingest.normalise.relations import guess_relation, split_typed_parent
from ingest.normalise.values import (
    arxiv_id,
    card_languages,
    hub_date,
    repository_name,
    strings_in,
    tag_languages,
)

HUB = {
    "openai-community/gpt2": NameEvidence(6_902_676, None),
    "Habana/gpt2": NameEvidence(95_674, "2022-05-24T00:00:00Z"),
    "WizardLMTeam/WizardMath-7B-V1.1": NameEvidence(900, "2023-12-19T00:00:00Z"),
    "WizardLMTeam/WizardLM-13B-V1.2": NameEvidence(500, "2023-07-25T00:00:00Z"),
    "mirror/WizardMath-7B-V1.1": NameEvidence(3, "2024-01-19T00:00:00Z"),
    "ann/outputs": NameEvidence(1, "2024-01-01T00:00:00Z"),
    "bob/outputs": NameEvidence(40, "2023-01-01T00:00:00Z"),
    "Case/Model": NameEvidence(10, "2024-01-01T00:00:00Z"),
    "twin/a": NameEvidence(10, None),
    "Twin/A": NameEvidence(10, None),
}
ASKED = (
    "gpt2", "GPT2", "WizardLM/WizardMath-7B-V1.1", "WizardLM/WizardLM-13B-V1.2", "outputs", "case/model", "TWIN/A",
    "https://huggingface.co/Case/Model", "gone/forever", "./checkpoint-500", "Case/Model", "nothing", "/content/drive/x",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "child", "parent", "resolution", "least", "most"),
    [
        ("Case/Model", "z/z", "Case/Model", Resolution.EXACT, 1.0, 1.0),
        ("https://huggingface.co/Case/Model", "z/z", "Case/Model", Resolution.EXACT, 0.9, 0.99),
        ("case/model", "z/z", "Case/Model", Resolution.CASE, 0.9, 0.99),
        ("TWIN/A", "z/z", "Twin/A", Resolution.AMBIGUOUS, 0.4, 0.499),
        ("gpt2", "z/z", "openai-community/gpt2", Resolution.RENAMED, 0.95, 0.99),
        ("GPT2", "z/z", "openai-community/gpt2", Resolution.RENAMED, 0.95, 0.99),
        ("WizardLM/WizardMath-7B-V1.1", "z/z", "WizardLMTeam/WizardMath-7B-V1.1", Resolution.RENAMED, 0.7, 0.95),
        ("outputs", "ann/tuned", "ann/outputs", Resolution.RENAMED, 0.5, 0.95),
        ("outputs", "z/z", "bob/outputs", Resolution.AMBIGUOUS, 0.0, 0.499),
        ("gone/forever", "z/z", "gone/forever", Resolution.ABSENT, 0.8, 0.95),
        ("nothing", "z/z", "nothing", Resolution.ABSENT, 0.5, 0.8),
        ("./checkpoint-500", "z/z", "./checkpoint-500", Resolution.ABSENT, 0.0, 0.499),
        ("/content/drive/x", "z/z", "/content/drive/x", Resolution.ABSENT, 0.0, 0.499),
    ],
)
def test_names_resolve(name: str, child: str, parent: str, resolution: Resolution, least: float, most: float) -> None:
    found = MentionIndex(HUB, ASKED).resolve(name, child, "2024-06-01T00:00:00Z")
    assert (found.parent, found.resolution) == (parent, resolution)
    assert least <= found.confidence <= most


def test_a_child_older_than_its_parent_lowers_the_confidence() -> None:
    index = MentionIndex(HUB, ASKED)
    young, old = (index.resolve("Case/Model", "z/z", f"{year}-01-02T00:00:00Z") for year in (2025, 2023))
    assert young.confidence == 1.0
    assert old.confidence == pytest.approx(0.8)
    assert old.evidence == MentionEvidence(child_older=True)


def test_an_id_without_owner_that_an_old_snapshot_holds_has_moved() -> None:
    old = {**HUB, "gpt2": NameEvidence(9_000_000, None), "outputs": NameEvidence(5, None)}
    index = MentionIndex(old, ASKED)
    assert index.resolve("gpt2", "z/z", None).parent == "openai-community/gpt2"
    assert index.resolve("outputs", "z/z", None).parent == "outputs"


@given(st.permutations(list(HUB)), st.sampled_from(ASKED))
def test_resolution_does_not_depend_on_the_order_of_models(order: list[str], name: str) -> None:
    shuffled = MentionIndex({model: HUB[model] for model in order}, ASKED).resolve(name, "z/z", None)
    assert shuffled == MentionIndex(HUB, ASKED).resolve(name, "z/z", None)


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_name_breaks_resolution(name: str, child: str) -> None:
    found = MentionIndex(HUB, [name]).resolve(name, child, None)
    assert 0.0 <= found.confidence <= 1.0
    assert found.parent in HUB or found.parent == name


@pytest.mark.parametrize(
    ("name", "tags", "library", "parents", "relation"),
    [
        ("Mistral-7B-GGUF", ["gguf"], None, 1, Relation.QUANTIZED),
        ("Llama-3-8B-exl2-4.0bpw", [], None, 1, Relation.QUANTIZED),
        ("merged-GGUF", ["merge", "mergekit", "gguf"], None, 1, Relation.QUANTIZED),
        ("tuned", [], "peft", 1, Relation.ADAPTER),
        ("sdxl-lora-cat", [], "diffusers", 1, Relation.ADAPTER),
        ("sdxl-cat", ["lora", "diffusers"], "diffusers", 1, Relation.ADAPTER),
        ("Marcoro14", ["merge", "mergekit"], "transformers", 2, Relation.MERGE),
        ("two-parents", [], "transformers", 2, Relation.MERGE),
        ("tuned", [], "transformers", 1, Relation.FINETUNE),
        ("explorations", ["en"], None, 1, Relation.FINETUNE),
    ],
)
def test_relations_are_guessed_below_certainty(
    name: str, tags: list[str], library: str | None, parents: int, relation: Relation
) -> None:
    found, confidence, by = guess_relation(name, tags, library, parents)
    assert found is relation
    assert 0.5 < confidence < 1.0
    assert by


def test_typed_parents() -> None:
    assert split_typed_parent("quantized:a/b") == ("a/b", Relation.QUANTIZED)
    assert split_typed_parent("a/b") == ("a/b", None)
    assert split_typed_parent("odd:a/b") == ("odd:a/b", None)
    assert split_typed_parent("finetune:") == ("finetune:", None)


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        ("MIT", None, [("mit", 1.0)]),
        (["apache-2.0", "MIT", "mit"], None, [("apache-2.0", 1.0), ("mit", 1.0)]),
        ("other", "llama3", [("other", 1.0), ("llama3", 0.95)]),
        ("other", "Meta-Llama-3-Community-License-Agreement", [("other", 1.0), ("llama3", 0.95)]),
        ("other", "tongyi-qianwen", [("other", 1.0), ("tongyi-qianwen", 0.95)]),
        ("other", "other", [("other", 1.0)]),
        ("mit", "llama3", [("mit", 1.0)]),
        (None, "x", []),
        ({"name": "mit"}, None, []),
        ([None, 3, " "], None, []),
    ],
)
def test_licences(value: object, name: object, expected: list[tuple[str, float]]) -> None:
    assert license_ids.card_license_ids(value, name) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [("apache 2.0", "apache-2.0"), ("gpl-3.0-or-later", "gpl-3.0"), ("mit", "mit"), ("llama_3", "llama3"),
     ("made up", "made up"), ("cc-by-4.0", "cc-by-4.0"), ("ODbL-1.0".lower(), "odbl")],
)  # fmt: skip
def test_licence_aliases(written: str, meant: str) -> None:
    assert license_ids.canonical_license_id(written) == meant


@given(st.text(max_size=30))
def test_canonical_licences_are_stable(text: str) -> None:
    once = license_ids.canonical_license_id(license_ids.normalise_license_id(text))
    assert license_ids.canonical_license_id(once) == once


def test_languages_among_tags() -> None:
    tags = [
        "transformers",
        "opt",
        "trl",
        "vit",
        "art",
        "text-generation",
        "en",
        "no",
        "code",
        "dataset:c4",
        "license:mit",
    ]
    assert tag_languages(tags) == ["en", "no", "code"]
    assert tag_languages(["zh", "art", "ppo", "region:us"]) == ["zh", "art", "ppo"]
    assert tag_languages(["ppo", "LunarLander-v2", "region:us"]) == []
    assert tag_languages([]) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [(False, ["no"]), ("no", ["no"]), (["en", False, "en"], ["en", "no"]), ("English", ["en"]), ("pt_BR", ["pt-br"]),
     ("klingonese", []), (None, []), (["", 7, {"x": 1}], []), ("multilingual", ["multilingual"])],
)  # fmt: skip
def test_languages_of_cards(value: object, expected: list[str]) -> None:
    assert card_languages(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1706.03762", "1706.03762"), ("1706.03762v5", "1706.03762"), ("cs/0112017", "cs/0112017"), ("x", ""), ("", ""),
     ("2305.145", ""), ("Math.GT/0309136v1", "math.gt/0309136")],
)  # fmt: skip
def test_arxiv(text: str, expected: str) -> None:
    assert arxiv_id(text) == expected


def test_dates() -> None:
    assert hub_date("2024-05-31T01:02:03.000Z") == "2024-05-31T01:02:03Z"
    assert hub_date("2022-03-02T23:29:04.000Z") is None
    assert hub_date("2022-03-02T23:29:05.000Z") is None
    assert hub_date("2024-05-31T01:02:03+02:00") == "2024-05-30T23:02:03Z"
    assert hub_date(None) is None
    for bad in ("20240-01-01T00:00:00.000Z", "yesterday", "2024-13-01T00:00:00.000Z", "1024-01-01T00:00:00.000Z"):
        with pytest.raises(ValueError, match="."):
            hub_date(bad)


def test_repository_names() -> None:
    assert repository_name(" 'a/b' ") == "a/b"
    assert repository_name("https://huggingface.co/a/b/tree/main?x=1") == "a/b"
    assert repository_name("https://huggingface.co/datasets/a/b") == "a/b"
    assert repository_name("a/b/") == "a/b"
    assert strings_in(["a", {"name": "b"}, None, 3, "a", " "]) == ["a", "b"]


@given(st.text(max_size=60))
def test_repository_name_is_idempotent_on_plain_names(text: str) -> None:
    once = repository_name(text.replace("'", "").replace('"', "").replace(":", "").replace("www.", ""))
    assert repository_name(once) == once.strip() or "hf.co" in once.lower() or "huggingface.co" in once.lower()
