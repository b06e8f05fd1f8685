"""Names of parents in a field of a model card: a field of any shape, and several names in one text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from atlas_db.claims.parameters.declaration_parameters import DECLARATION
from atlas_db.claims.repository_ids import MAX_TEXT, is_owned_id, is_repository_id, plain_text, repository_name
from atlas_db.core.decoding import MalformedError, decode_literal, json_as

MAX_NAMES = 256
"""Names read from one field; the longest merge on the Hub states fewer."""
_ID_KEYS = (
    "repo_id", "modelId", "model_id", "id", "base_model", "base_model_name_or_path", "pretrained_model_name_or_path",
    "model_name_or_path", "repo_url", "url", "link", "href", "source", "model", "repo", "repository", "path",
    "name", "title", "_id",
)  # fmt: skip
"""Keys of a mapping that may hold the id of a model, the surest first."""
_OWNER_KEYS = ("owner", "organization", "org", "namespace", "user", "author", "organisation")
_NAME_KEYS = ("name", "repo_name", "model_name", "repo", "model")
_RELATION_KEYS = ("relation", "base_model_relation", "type", "relationship")
_BREAK = re.compile(r"<br ?/?>|[\n\t,;|、•]")
_LOOSE_BREAK = re.compile(r" (?:and|or|und|oder|et|ou|y|e|plus|with|x|&|\+|->|→|=>|/) |[,;|&\n\t+、]|->|→")
_LEAD = re.compile(r"^(?:(?:and|or|und|oder|et|ou|y) |[-*+•] |\d+[.)] )")
_LINK = re.compile(r"!?\[[^\[\]]*\] ?\([^()]*\)|<a\s[^<>]*>[^<>]*</a>", re.IGNORECASE)


class NamedParent(NamedTuple):
    """A parent in a field of a card.

    Attributes:
        name: Its name as written, or one of the names in a text that lists several.
        relation: The relation that stands beside it, as written; else empty.
    """

    name: str
    relation: str = ""


def parent_names(value: Any) -> list[NamedParent]:  # noqa: ANN401
    """Return the parents that a field names, without repetition.

    Args:
        value: A text, a list, or a mapping of one model (`name`, `repo_url` …) or of ids to relations, nested at will.
    """
    found: dict[str, NamedParent] = {}
    stack: list[tuple[Any, str]] = [(value, "")]
    while stack and len(found) < MAX_NAMES:
        entry, relation = stack.pop()
        if isinstance(entry, str):
            inner = _literal(entry)
            if inner is not None:
                stack.append((inner, relation))
                continue
            for name in split_names(entry):
                found.setdefault(name, NamedParent(name, relation))
        elif isinstance(entry, list | tuple):
            stack += [(each, relation) for each in reversed(entry)]
        elif isinstance(entry, dict):
            stack += reversed(_of_mapping(entry, relation))
    return list(found.values())


def _literal(text: str) -> list[Any] | dict[Any, Any] | None:
    """Return the list or mapping that a text writes out as JSON or Python; None where it writes none."""
    text = text.strip()
    if not text or len(text) > MAX_TEXT or text[0] + text[-1] not in ("[]", "{}") or "](" in text:
        return None
    for read in (partial(json_as, kind=object), decode_literal):
        with suppress(MalformedError):
            value = read(text)
            return value if isinstance(value, list | dict) else None
    inside = [piece.strip().strip("'\"") for piece in text[1:-1].split(",")]
    named = [piece for piece in inside if piece]
    return named if named and all(_is_owned(piece) for piece in named) else None


def _of_mapping(entry: dict[Any, Any], relation: str) -> list[tuple[Any, str]]:
    """Return what a mapping names, with relations: one model with its fields, ids with relations, or models by part."""
    texts = {key: entry[key] for key in _ID_KEYS if isinstance(entry.get(key), str) and entry[key].strip()}
    own = next((entry[key] for key in _RELATION_KEYS if isinstance(entry.get(key), str)), relation)
    for text in texts.values():
        if _is_owned(text):
            return [(text, own)]
    owner, name = (
        next((entry[k] for k in keys if isinstance(entry.get(k), str)), "") for keys in (_OWNER_KEYS, _NAME_KEYS)
    )
    if is_owned_id(joined := f"{owner.strip()}/{name.strip()}"):
        return [(joined, own)]
    if texts:
        return [(next(iter(texts.values())), own)]
    if ids := [key for key in entry if isinstance(key, str) and "/" in key and _is_owned(key)]:
        return [(key, _relation_in(entry[key], relation)) for key in ids]
    owned = [each for each in entry.values() if isinstance(each, str) and _is_owned(each)]
    return [(each, own) for each in (*owned, *(e for e in entry.values() if isinstance(e, list | tuple | dict)))]


def _relation_in(value: Any, relation: str) -> str:  # noqa: ANN401
    if isinstance(value, dict):
        value = next((value[key] for key in _RELATION_KEYS if isinstance(value.get(key), str)), relation)
    return value if isinstance(value, str) else relation


def split_names(text: str) -> list[str]:
    """Return the names in a text: several where all of its pieces are ids, else the text as written."""
    written = text.strip()
    if not written or is_repository_id(written):
        return [written] if written else []
    if len(written) > MAX_TEXT:
        return [written]
    if len(links := _LINK.findall(written)) > 1:
        return links
    plain = plain_text(written)
    pieces = _pieces(_BREAK.split(plain))
    if len(pieces) > 1 and all(
        _is_owned(p) or (len(p) >= DECLARATION.min_unowned_name and is_repository_id(p)) for p in pieces
    ):
        return pieces
    for parts in (_LOOSE_BREAK.split(plain), plain.split()):
        pieces = _pieces(parts)
        # `the-cat and-dog` is no list; names without an owner are likely where each has a digit.
        if len(pieces) > 1 and all(_is_owned(p) or (is_repository_id(p) and re.search(r"\d", p)) for p in pieces):
            return pieces
    return [written]


def _pieces(parts: Iterable[str]) -> list[str]:
    return [piece for part in parts if (piece := _LEAD.sub("", part.strip()).strip())]


def _is_owned(text: str) -> bool:
    return is_owned_id(repository_name(text))
