"""The description of a model in its card: the first paragraph of prose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from atlas_db.cards.front_matter import split_card

MAX_TEXT = 20_000
"""Characters of a card that are looked at: descriptions stand at its top."""
MAX_DESCRIPTION = 600
_MIN_WORDS = 4
"""Words outside links and images, at least: fewer are badges and rows of links."""
_FILLER = re.compile(r"more information needed|\bmodel card\b.*\bautomatically generated\b", re.IGNORECASE)
"""What templates of the Hub and of Trainer write where nobody filled them in."""
_ANNOUNCEMENT = re.compile(r"(?<=[.!?]) [^.!?]*:$")
"""A last sentence that only announces the list below it."""


def description_of(card: str) -> str | None:
    """Return the first paragraph that a README.md writes about its model, as plain text; None where there is none.

    Headings, lists, tables, code, quotes, HTML, badges and the filler of templates are no descriptions. A longer
    paragraph ends with an ellipsis at `MAX_DESCRIPTION` characters.
    """
    text = split_card(card)[1][:MAX_TEXT]
    tokens = _markdown().parse(text)
    for before, token in pairwise(tokens):
        if before.type != "paragraph_open" or before.level:
            continue
        outside, whole = _plain(token.children or ())
        if len(outside.split()) >= _MIN_WORDS and not _FILLER.search(whole):
            whole = _ANNOUNCEMENT.sub("", whole)
            return whole if len(whole) <= MAX_DESCRIPTION else f"{whole[: MAX_DESCRIPTION - 1].rstrip()}…"
    return None


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"maxNesting": 20}).enable("table")


def _plain(children: Sequence[Token]) -> tuple[str, str]:
    """Return the text of a paragraph, without that of links, and with it."""
    outside, whole, depth = [], [], 0
    for each in children:
        depth += (each.type == "link_open") - (each.type == "link_close")
        text = each.content if each.type in ("text", "code_inline") else " " if each.type.endswith("break") else ""
        whole.append(text)
        if not depth:
            outside.append(text)
    return "".join(outside), " ".join("".join(whole).split())
