"""What model cards say: words of their text, benchmark results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ingest.hub.card import split_card

LONGEST = 6000
"""Characters of a card's text that are read: what it is about stands at the top."""
MOST = 256
"""Words, pairs of words and results kept of a card."""
_WORD = re.compile(r"[a-z0-9][a-z0-9_+./-]*[a-z0-9]|[a-z]")
_LINK = re.compile(r"https?://\S+|<[^>]*>")
_RESULTS = re.compile(r"^model-index:[ \t]*\r?\n((?:[ \t-].*(?:\r?\n|\Z)|\r?\n)*)", re.MULTILINE)
_RESULT = re.compile(r"^[\s-]*(?:type|name|value):[ \t]*(.+?)[ \t]*\r?$", re.MULTILINE)


def card_tokens(card: str) -> Iterator[str]:
    """Yield the words, pairs of neighbouring words and results of a card, each once, from the top, at most `MOST`."""
    front, text = split_card(card)
    parts = body_words(text)
    every = [*_results(front), *parts, *(f"{a} {b}" for a, b in pairwise(parts))]
    yield from list(dict.fromkeys(every))[:MOST]


def body_words(text: str) -> list[str]:
    """Return the words of a card's text, in order, in small letters, without links and markup."""
    return _WORD.findall(_LINK.sub(" ", text[:LONGEST].lower()))


def _results(front: str) -> list[str]:
    """Return tasks, datasets and metrics of a `model-index`, and its values to one figure."""
    found = _RESULTS.search(front)
    if found is None:
        return []
    said = [value.strip("'\"").lower() for value in _RESULT.findall(found.group(1))]
    return [f"result {_rounded(value)}" for value in said]


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.1g}"
    except ValueError:
        return value
