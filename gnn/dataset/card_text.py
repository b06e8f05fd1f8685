"""Tokens of model cards: words and bigrams of the text, and benchmark results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from atlas_db.cards.front_matter import split_card
from gnn.parameters.token_parameters import TOKEN

_QUOTES = "'\""
_WORD = re.compile(r"[a-z0-9][a-z0-9_+./-]*[a-z0-9]|[a-z]")
_LINK_OR_MARKUP = re.compile(r"https?://\S+|<[^>]*>")
_MODEL_INDEX = re.compile(r"^model-index:[ \t]*\r?\n((?:[ \t-].*(?:\r?\n|\Z)|\r?\n)*)", re.MULTILINE)
# Nothing here goes on over several lines, or ends in white space that is tried at each place: it takes linear time.
_RESULT_VALUE = re.compile(r"^(?:[^\S\n]|-)*(?:type|name|value):(.*)$", re.MULTILINE)


def card_tokens(card: str) -> Iterator[str]:
    """Yield the unique results, words and bigrams of a card from the top, at most `TOKEN.card_tokens`."""
    front, text = split_card(card)
    words = body_words(text)
    tokens = [*_results(front), *words, *(f"{a} {b}" for a, b in pairwise(words))]
    yield from list(dict.fromkeys(tokens))[: TOKEN.card_tokens]


def body_words(text: str) -> list[str]:
    """Return the words of a card's text in order and lower case, without links and markup."""
    return _WORD.findall(_LINK_OR_MARKUP.sub(" ", text[: TOKEN.card_characters].lower()))


def _results(front: str) -> list[str]:
    """Return tasks, datasets and metrics of a `model-index`, and its values to one significant digit."""
    found = _MODEL_INDEX.search(front)
    if found is None:
        return []
    stated = [value.strip(" \t\r") for value in _RESULT_VALUE.findall(found.group(1))]
    return [f"result {_rounded(value.strip(_QUOTES).lower())}" for value in stated if value]


def _rounded(value: str) -> str:
    try:
        return f"{float(value):.1g}"
    except ValueError:
        return value
