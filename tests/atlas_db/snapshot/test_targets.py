"""Tests of `atlas_db/snapshot/targets.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import InputError
from atlas_db.snapshot.targets import read_targets


def test_words_are_ids_addresses_and_paths(tmp_path: Path) -> None:
    card = tmp_path / "mine" / "README.md"
    card.parent.mkdir()
    card.write_text("---\nlicense: mit\n---\n")
    found = read_targets(["a/b", "hf://c/d", str(card), "a/b", "https://huggingface.co/e/f"])
    assert found.ids == ["a/b", "c/d", "e/f"] and [each.id for each in found.folders] == ["mine"]
    assert found.files == {"mine": str(card)}
    assert found.first[0] == "mine" and read_targets(["a/b"]).first == ("a/b", None)
    assert not read_targets([])


def test_models_of_one_name_have_their_paths_as_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place, base in (("a/v2", "p/mit"), ("b/v2", "p/nc"), ("c/river", "river"), ("d/lake", "p/mit")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "README.md").write_text(f"---\nlicense: mit\nbase_model: {base}\n---\n")
    found = read_targets(["a/v2", "b/v2", "./a/v2", "c/river", "d/lake"])
    assert {each.id: each.record.parents[0].name for each in found.folders} == {
        "./a/v2": "p/mit", "./b/v2": "p/nc", "./c/river": "river", "lake": "p/mit",
    }  # fmt: skip
    assert found.files["./b/v2"] == str(Path("b/v2/README.md").resolve())


def test_a_path_that_is_there_is_never_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.txt").write_text("a/b\n")
    (tmp_path / "acme" / "river").mkdir(parents=True)
    with pytest.raises(InputError, match="is no file that states") as problem:
        read_targets(["models.txt"])
    assert "--file" in str(problem.value.hint)
    with pytest.raises(InputError, match="cannot be read"):
        read_targets(["acme/river"])
    with pytest.raises(InputError, match="is empty"):
        read_targets([""])
    assert read_targets(["hf://acme/river", "acme/brook"]).ids == ["acme/river", "acme/brook"]
