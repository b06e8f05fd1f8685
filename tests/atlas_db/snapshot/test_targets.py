"""Tests of `atlas_db/snapshot/targets.py`."""

from __future__ import annotations

from pathlib import Path

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
