"""One notice: every licence above a set of models once, with holders, required words and duties."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.catalogue.loader import Duty, catalogue
from atlas_db.compliance.notice import collect_notice, required_words
from atlas_db.core.errors import EmptyStoreError, ModelNotFoundError
from atlas_db.licenses.card_model import read_card_model
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS


def test_every_licence_above_the_set_is_there_once_with_its_holders() -> None:
    found = collect_notice(kept_store(ROWS), ["b/Llama-3-leaf", "m/below"])
    holders = {each.license.id: set(each.holders) for each in found.licenses}
    assert holders == {
        "apache-2.0": {"b/Llama-3-leaf", "a/Llama-3-mid", "m/merge"}, "llama3": {META}, "mit": {"m/below", "p/mit"},
        "cc-by-nc-4.0": {"p/nc"},
    }  # fmt: skip
    text = found.text()
    assert text.count("Meta Llama 3 is licensed under the Meta Llama 3 Community License") == 1
    assert "Built with Meta Llama 3" in text
    for entry in (catalogue().get(name) for name in holders):
        assert entry is not None
        assert text.count(entry.source) >= 1
    assert found.unknown == []


def test_what_is_not_known_and_what_a_person_must_do_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\nbase_model: [p/none, gone/base]\n---\n")
    (folder / "LICENSE").write_text("MIT License. Copyright (c) the authors of mine")
    found = collect_notice(kept_store(ROWS), ["not/there"], [read_card_model(folder)])
    assert set(found.unknown) == {"p/none", "gone/base", "not/there"}
    text = found.text()
    assert "TO DO: what these ask is not known here" in text
    assert "mine/LICENSE\n\nMIT License. Copyright (c) the authors of mine" in text


def test_a_notice_for_nothing_that_is_known_is_refused() -> None:
    with pytest.raises(ModelNotFoundError, match="not/there"):
        collect_notice(kept_store(ROWS), ["not/there"])
    with pytest.raises(EmptyStoreError):
        collect_notice(kept_store([]), ["not/there"])


def test_training_data_can_be_left_out() -> None:
    store = kept_store(ROWS)
    assert {each.license.id for each in collect_notice(store, ["d/trained"]).licenses} == {"mit", "cc-by-nc-4.0"}
    assert {each.license.id for each in collect_notice(store, ["d/trained"], data=False).licenses} == {"mit"}


def test_required_words_agree_with_the_catalogue() -> None:
    for name, words in required_words().items():
        entry = catalogue().get(name)
        assert entry is not None
        assert words.source == entry.source
        duties = {each.type for each in entry.obligations}
        assert not words.prefix or Duty.NAME_PREFIX in duties, name
        assert not words.built_with or Duty.DISPLAY_BUILT_WITH in duties, name
        clause = " ".join(each.clause for each in entry.obligations)
        assert not words.built_with or words.built_with.split()[-1].lower() in clause.lower(), name
