"""The glossary: each term is defined once, in one short sentence, and stands in the code."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "concepts" / "glossary.md"
MAX_WORDS = 25


class Term(NamedTuple):
    """One row of the glossary."""

    name: str
    meaning: str
    in_code: tuple[str, ...]


def terms() -> list[Term]:
    rows = [
        line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    return [Term(row[0], row[1], tuple(re.findall(r"`([^`]+)`", row[2]))) for row in rows if row[0] != "term"]


@pytest.fixture(scope="module")
def code() -> str:
    files = [file for name in ("atlas_db", "ingest", "gnn", "cypher") for file in (ROOT / name).rglob("*.py")]
    names = " ".join(str(file.relative_to(ROOT).with_suffix("")) for file in files)
    return names + "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_each_term_is_defined_once() -> None:
    assert len(terms()) > 60
    assert [name for name, count in Counter(term.name.lower() for term in terms()).items() if count > 1] == []


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.name)
def test_a_definition_is_one_short_sentence(term: Term) -> None:
    assert len(term.meaning.split()) <= MAX_WORDS
    assert re.fullmatch(r"[A-Z][^.]*\.", term.meaning.replace("llama.cpp", "llama"))


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.name)
def test_a_term_is_in_the_code(term: Term, code: str) -> None:
    assert term.in_code
    for name in term.in_code:
        assert re.search(rf"\b{re.escape(name)}\b", code) or (ROOT / name).exists(), name
