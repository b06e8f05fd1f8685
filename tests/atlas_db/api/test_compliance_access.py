"""Tests of `atlas_db/api/compliance_access.py`: paths, and parents that the Hub adds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import atlas_db
from atlas_db.api.atlas import Atlas
from atlas_db.core.errors import InputError, UsageError
from atlas_db.snapshot.repositories import named_models
from atlas_db.snapshot.snapshot_file import closure, write_repositories
from tests.support.graphs import model
from tests.support.hub_server import serving
from tests.support.kept import answered
from tests.support.license_hub import META, POLICY, ROWS

CARD = "---\nlicense: mit\nbase_model: {}\n---\n# A model\n"


@pytest.fixture
def atlas(tmp_path: Path) -> Iterator[Atlas]:
    place = answered(ROWS).repositories
    file = tmp_path / "atlas.parquet"
    write_repositories(closure(place, [each.id for each in named_models(place)]), place.newest(), file)
    with atlas_db.connect(str(file), home=tmp_path / "home") as opened:
        yield opened


def test_a_card_and_an_id_are_answered_together(atlas: Atlas, tmp_path: Path) -> None:
    card = tmp_path / "mine" / "README.md"
    card.parent.mkdir()
    card.write_text(CARD.format(META))
    assert atlas.audit(card, "p/mit").verdicts == atlas.audit("p/mit", str(card)).verdicts
    assert [row["ancestor"] for row in atlas.audit(card).findings if row["verdict"] == "violation"] == [META]
    assert [each["name"] for each in atlas.bom(card).components] == ["Meta-Llama-3-8B"]
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    assert [(each.model, str(each.decision)) for each in atlas.gate(policy, card, "p/nc")] == [
        ("mine", "ask"), ("p/nc", "deny"),
    ]  # fmt: skip
    assert "Built with Meta Llama 3" in atlas.notice(card).text()
    assert atlas.gpai(card, flop=1e21, original_flop=3e21).test.exceeds is False


def test_a_whole_snapshot_is_audited_without_writing(atlas: Atlas) -> None:
    report = atlas.audit_all()
    assert report.models == sum(report.verdicts.values()) == len(ROWS) - 1, "a row is a dataset"
    assert report.run_id == ""


def test_the_hub_adds_what_the_atlas_lacks(atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = tmp_path / "README.md"
    card.write_text(CARD.format("new/parent"))
    (tmp_path / "repos").mkdir()
    with serving(tmp_path / "repos", monkeypatch) as hub:
        hub.records["models/new/parent"] = model("new/parent", tags=["license:cc-by-nc-4.0"])
        assert atlas.audit(card, online=True).verdicts["violation"] == 1
        assert hub.tokens
    assert not atlas.audit(card).verdicts.get("violation")


def test_a_gate_reads_folders_and_asks_the_hub_for_what_is_above_them(
    atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, parent in (("tuned", "../base"), ("base", "new/parent")):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(CARD.format(parent))
    (tmp_path / "repos").mkdir()
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    tuned = tmp_path / "models" / "tuned"
    (alone,) = atlas.gate(policy, tuned)
    assert str(alone.decision) == "ask", "what is above is not known"
    with serving(tmp_path / "repos", monkeypatch) as hub:
        hub.records["models/new/parent"] = model("new/parent", tags=["license:cc-by-nc-4.0"])
        (answer,) = atlas.gate(policy, tuned, online=True)
    assert str(answer.decision) == "deny"
    assert {each.repository for each in answer.reasons if str(each.decision) == "deny"} == {"new/parent"}


def test_addresses_of_the_hub_name_models_where_ids_do(atlas: Atlas) -> None:
    for name in (f"hf://{META}", f"https://huggingface.co/{META}"):
        assert atlas.impact(name).descendants == atlas.impact(META).descendants > 0
        assert atlas.audit(name).verdicts == atlas.audit(META).verdicts
        assert atlas.notice(name).text() == atlas.notice(META).text()


def test_nothing_named_and_nothing_there_are_errors(atlas: Atlas, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model is named"):
        atlas.notice()
    with pytest.raises(InputError):
        atlas.audit(tmp_path / "nowhere")
