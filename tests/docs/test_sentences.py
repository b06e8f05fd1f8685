"""One fact a sentence: docstrings and pages have no sentence of more than 25 words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import MODULES, ROOT
from tests.support.sentences import MAX_WORDS, docstrings, sentences, words

PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name not in ("CHANGELOG.md", "SCHEMA.md")
)
"""All pages but for lists of entries."""


def test_public_docstrings_have_short_sentences() -> None:
    found = [
        (where, words(each), each)
        for module in MODULES
        for where, text in docstrings(module)
        for each in sentences(text)
        if words(each) > MAX_WORDS
    ]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_pages_have_short_sentences(page: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [each for each in sentences(text) if words(each) > MAX_WORDS] == []


def test_sentences_end_at_items_sections_and_paragraphs() -> None:
    text = """Return what it is. See Horwitz et al. 2025.

    It may be one of two:

    - the first, of
      two lines
    - the second.

    Args:
        name: Its name, `a.b c`.
            Two words.

    Returns:
        Shape (n,).

    | a | table |
    ```python
    code. And more code.
    ```
    """
    assert list(sentences(text)) == [
        "Return what it is.", "See Horwitz et al 2025.", "It may be one of two:", "the first, of two lines",
        "the second.", "Its name, CODE.", "Two words.", "Shape (n,).",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "count"),
    [("One two, three.", 3), ("`a b c` is [a link](to/it.md) – 3 · n", 6), ("", 0), ("word " * 26, 26)],
)
def test_words_are_counted(sentence: str, count: int) -> None:
    assert words(sentence) == count


def test_public_docstrings_are_found() -> None:
    found = {where for where, _ in docstrings(Path("atlas_db/core/parameters.py"))}
    assert {"atlas_db/core/parameters.py", "atlas_db/core/parameters.py:Parameter"} <= found
    assert not any(":_" in where for module in MODULES for where, _ in docstrings(module))
