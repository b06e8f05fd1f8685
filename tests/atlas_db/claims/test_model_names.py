"""Tests of `atlas_db/claims/model_names.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.claims.hub_renames import HubRenames, OwnerRename, Rename
from atlas_db.claims.model_names import MentionIndex, NameEvidence
from atlas_db.claims.repository_ids import repository_name
from atlas_db.core.terms import Resolution
from atlas_db.fusion.evidence import MentionEvidence

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


NAMES = (
    "gpt2", "GPT2", "WizardLM/WizardMath-7B-V1.1", "WizardLM/WizardLM-13B-V1.2", "outputs", "case/model", "TWIN/A",
    "https://huggingface.co/Case/Model", "gone/forever", "./checkpoint-500", "Case/Model", "nothing", "bert-of-mine", "/content/drive/x",
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
        ("outputs", "z/z", "outputs", Resolution.ABSENT, 0.0, 0.499),
        ("gone/forever", "z/z", "gone/forever", Resolution.ABSENT, 0.8, 0.95),
        ("nothing", "z/z", "nothing", Resolution.ABSENT, 0.0, 0.499),
        ("bert-of-mine", "z/z", "bert-of-mine", Resolution.ABSENT, 0.5, 0.8),
        ("./checkpoint-500", "z/z", "./checkpoint-500", Resolution.ABSENT, 0.0, 0.499),
        ("/content/drive/x", "z/z", "/content/drive/x", Resolution.ABSENT, 0.0, 0.499),
    ],
)
def test_names_resolve(name: str, child: str, parent: str, resolution: Resolution, least: float, most: float) -> None:
    found = MentionIndex(HUB, NAMES).resolve(name, child, "2024-06-01T00:00:00Z")
    assert (found.parent, found.resolution) == (parent, resolution)
    assert least <= found.confidence <= most


def test_a_child_older_than_its_parent_lowers_the_confidence() -> None:
    index = MentionIndex(HUB, NAMES)
    young, old = (index.resolve("Case/Model", "z/z", f"{year}-01-02T00:00:00Z") for year in (2025, 2023))
    assert young.confidence == 1.0
    assert old.confidence == pytest.approx(0.8)
    assert old.evidence == MentionEvidence(child_older=True)


def test_an_id_without_owner_that_an_old_snapshot_holds_has_moved() -> None:
    old = {**HUB, "gpt2": NameEvidence(9_000_000, None), "outputs": NameEvidence(5, None)}
    index = MentionIndex(old, NAMES)
    assert index.resolve("gpt2", "z/z", None).parent == "openai-community/gpt2"
    assert index.resolve("outputs", "z/z", None).parent == "outputs"


@given(st.permutations(list(HUB)), st.sampled_from(NAMES))
def test_resolution_does_not_depend_on_the_order_of_models(order: list[str], name: str) -> None:
    shuffled = MentionIndex({model: HUB[model] for model in order}, NAMES).resolve(name, "z/z", None)
    assert shuffled == MentionIndex(HUB, NAMES).resolve(name, "z/z", None)


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_name_breaks_resolution(name: str, child: str) -> None:
    found = MentionIndex(HUB, [name]).resolve(name, child, None)
    assert 0.0 <= found.confidence <= 1.0
    assert found.parent in HUB or found.parent in (name, repository_name(name))


def test_a_renaming_that_the_hub_shows_wins_over_an_older_record() -> None:
    hub = {**HUB, "old/name": NameEvidence(9, None, "2024-07-01")}
    renames = HubRenames({"old/name": Rename("new/name", 3, "2026-01-01", "2026-05-01")}, {})
    found = MentionIndex(hub, ["Old/Name", "old/name"], renames).resolve("Old/Name", "z/z", None)
    assert (found.parent, found.resolution) == ("new/name", Resolution.RENAMED)
    assert (found.evidence.renamed_on, found.evidence.renamed_in) == ("2026-05-01", 3)
    # A record as new shows that the former id is in use.
    hub["old/name"] = NameEvidence(9, None, "2026-05-01")
    found = MentionIndex(hub, ["old/name"], renames).resolve("old/name", "z/z", None)
    assert (found.parent, found.resolution) == ("old/name", Resolution.EXACT)


@pytest.mark.parametrize("name", ["model", "results", "checkpoint"])
def test_a_popular_candidate_is_no_evidence_for_the_name_of_a_folder(name: str) -> None:
    hub = {f"famous/{name}": NameEvidence(9_000_000, None), f"ann/{name}": NameEvidence(1, None)}
    index = MentionIndex(hub, [name])
    assert index.resolve(name, "z/z", None).confidence < 0.5
    assert index.resolve(name, "ann/tuned", None).parent == f"ann/{name}"


def test_a_renamed_owner_serves_repositories_without_a_record() -> None:
    index = MentionIndex(HUB, ["old/x"], HubRenames({}, {"old": OwnerRename("New", 5, "2026-05-01")}))
    found = index.resolve("old/x", "z/z", None)
    assert (found.parent, found.resolution, found.confidence) == ("New/x", Resolution.RENAMED, 0.95)
