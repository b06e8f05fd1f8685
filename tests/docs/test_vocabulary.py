"""The code uses the field's terms: no word of the private dialect in identifiers or first docstring lines."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.vocabulary import DENIED, first_lines, hits, identifiers, modules, words


@pytest.mark.parametrize("file", list(modules([])), ids=lambda file: f"{file.parent.name}.{file.stem}")
def test_no_module_uses_a_denied_word(file: Path) -> None:
    assert hits(file) == []


def test_identifiers_are_cut_into_words() -> None:
    assert words("told_words") == ["told", "words"]
    assert words("SureThing") == ["sure", "thing"]
    assert words("_MIN_SURE") == ["min", "sure"]


def test_names_that_a_module_defines_are_all_seen() -> None:
    tree = ast.parse(
        'class Told:\n    """What it says."""\n    def kin(self, beside, *, sure=1):\n        self.alike = beside\n'
        "        for asked in sure:\n            pass\n        return dict(heard=1)\nimport os as voice\n"
    )
    found = {name for _, name in identifiers(tree)}
    assert {"Told", "kin", "beside", "sure", "alike", "asked", "heard", "voice"} <= found
    assert len(found & DENIED) == 7
    assert [text for _, text in first_lines(tree)] == ["What it says."]
