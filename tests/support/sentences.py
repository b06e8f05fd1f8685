"""Sentences of docstrings and pages, and how many words each has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

MAX_WORDS = 25
"""Words of a sentence, at most."""
_CODE = re.compile(r"``[^`]+``|`[^`]+`|<[^<>\s]+>")
_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_SECTION = re.compile(r"(?:Args|Attributes|Examples?|Raises|Returns|Shapes?|Yields|Note|Warning):")
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+")
_ENTRY = re.compile(r"\*{0,2}[A-Za-z_][\w.]*(?: \([^)]*\))?(?:, \*{0,2}\w+)*: ")
_END = re.compile(r"(?<=[.!?])[*\"')\]]*\s+(?=\S)")
_WORD = re.compile(r"[^\W_]")


def words(sentence: str) -> int:
    """Return the number of words: a code span, a number, a link's text counts by its words, and signs count nothing."""
    return sum(bool(_WORD.search(word)) for word in _CODE.sub("CODE", sentence).split())


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a docstring or of Markdown prose, without headings, tables and examples.

    Items of a list, entries of sections such as `Attributes:`, and paragraphs end a sentence, too.
    """
    for paragraph in _paragraphs(text):
        yield from (part for part in _END.split(_shortened(paragraph)) if part.strip())


def _shortened(paragraph: str) -> str:
    """Return a paragraph whose code spans and abbreviations hold no end of a sentence."""
    text = _CODE.sub("CODE", _LINK.sub(r"\1", paragraph))
    return re.sub(r"\b(e\.g|i\.e|et al|cf|vs|approx|Fig|Eq)\. ", r"\1 ", text)


def _paragraphs(text: str) -> Iterator[str]:
    lines: list[str] = []
    fenced = False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        if stripped.startswith(("```", "~~~")):
            fenced = not fenced
            stripped = ""
        is_apart = (
            fenced
            or not stripped
            or stripped.startswith(("|", "#", ">>>", "...", "<", "!!!", ">", "│", "├", "└"))
            or bool(_SECTION.fullmatch(stripped))
        )
        begins = _ITEM.match(stripped) or _ENTRY.match(stripped)
        if (is_apart or begins) and lines:
            yield " ".join(lines)
            lines = []
        if not is_apart:
            lines.append(stripped[begins.end() :] if begins else stripped)


def docstrings(module: Path) -> Iterator[tuple[str, str]]:
    """Yield each public docstring of a module with the name of what it documents."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
    yield from _docstrings(tree, module.as_posix())


def _docstrings(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, name: str
) -> Iterator[tuple[str, str]]:
    if text := ast.get_docstring(node):
        yield name, text
    if isinstance(node, ast.Module | ast.ClassDef):
        for each in node.body:
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not each.name.startswith(
                "_"
            ):
                yield from _docstrings(each, f"{name}:{each.name}")
