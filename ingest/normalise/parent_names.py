"""Names of parents in a field of a model card: any shape, several names in one text, and words that name no model."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from atlas_db.claims.repository_ids import is_repository_id, plain_text, repository_name

MAX_NAMES = 256
"""Names read from one field; the longest merge on the Hub states fewer."""
_ID_KEYS = (
    "repo_id", "id", "model_id", "_id", "base_model", "base_model_name_or_path", "model_name_or_path", "repo_url",
    "url", "link", "href", "source", "model", "repo", "repository", "path", "name", "title",
)  # fmt: skip
_RELATION_KEYS = ("relation", "base_model_relation", "type", "relationship")
_SEPARATOR = re.compile(r"\s*[,;|\n]\s*")
_LOOSE_SEPARATOR = re.compile(r"\s*(?:[,;|&\n+]|\s(?:and|und|et|y|plus|with|x)\s)\s*")
_MIN_UNOWNED = 4
"""Fewest characters of a name without owner in a list; `7b` or `v2` behind a comma is none."""
_LIST_TEXT = re.compile(r"\A[\[({](?!\[)(.*)[\])}]\Z", re.DOTALL)
_TEMPLATE = re.compile(
    r"\{\{.*|\{%.*|\{[\w .]*\}|<[^<>]*>|\$\{?\w+\}?|\[[^\[\]]*\]|%\w+%|_{2,}\w*_{2,}|x{3,}|[\W_]*|[0-9.]+", re.DOTALL
)
_NO_MODEL = frozenset(
    {"none", "null", "nil", "nan", "na", "n a", "no", "not applicable", "not available", "non", "nope", "nothing",
     "empty", "unknown", "unspecified", "undefined", "undisclosed", "not specified", "not stated", "not known",
     "tbd", "tba", "todo", "fixme", "to be determined", "coming soon", "placeholder", "dummy", "scratch",
     "from scratch", "trained from scratch", "train from scratch", "training from scratch",
     "pretrained from scratch", "random", "random init", "randomly initialized", "random initialization",
     "no base model", "without base model", "self", "this", "this model", "itself", "same", "same as above",
     "see above", "see below", "various", "multiple", "several", "many", "mixed", "other", "others",
     "custom model", "own model", "private", "proprietary", "internal", "base model", "basemodel",
     "base model name", "base model id", "model name", "model id", "modelname", "your model", "your model name",
     "your model here", "your model name here", "your base model", "my model", "parent model", "foundation model",
     "local model", "path to model", "model path", "true", "false", "yes", "string", "str", "list", "dict",
     "object", "more information needed", "information needed", "needs more information", "fill in",
     "insert model name", "username modelname"}
)  # fmt: skip
_YOUR = frozenset(
    {"your username", "yourusername", "your org", "your organization", "your name", "your hf username", "your user"}
)  # fmt: skip
_ANY_OWNER = frozenset({"none", "null", "username", "user", "user name", "org", "organization", "owner", "hf user"})
"""Words for an owner in templates; with a word for a model behind them they name none (`None/None`)."""
_DATASET = re.compile(r"(?:^|://|\.[a-z]+/)datasets/|(?:^|[/\\])datasets--", re.IGNORECASE)
"""An address or a path of the Hub's cache that names a dataset."""
_WORD_BREAKS = re.compile(r"[\W_]+")


class NamedParent(NamedTuple):
    """A parent in a field of a card.

    Attributes:
        name: Its name as written, or one of the names in a text that lists several.
        relation: The relation that stands beside it, as written; else empty.
    """

    name: str
    relation: str = ""


@lru_cache(maxsize=2**14)
def names_no_model(text: str) -> bool:
    """Return whether a text is no name of a model: `None`, `n/a`, `from scratch`, a template, or a dataset's address.

    An owner before the word makes it a name: `zed/none` is a repository.
    """
    name = plain_text(text)
    if _DATASET.search(name):
        return True
    if _TEMPLATE.fullmatch(name):
        return not _is_owned(name)
    words = _WORD_BREAKS.sub(" ", name.lower()).strip()
    if words == "n a" or ("/" not in name and words in _NO_MODEL):
        return True
    owner, _, rest = (_WORD_BREAKS.sub(" ", part.lower()).strip() for part in name.partition("/"))
    return "/" in name and (owner in _YOUR or (owner in _ANY_OWNER and rest in _NO_MODEL))


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
            for name in _split(entry):
                found.setdefault(name, NamedParent(name, relation))
        elif isinstance(entry, list | tuple):
            stack += [(each, relation) for each in reversed(entry)]
        elif isinstance(entry, dict):
            stack += reversed(_of_mapping(entry, relation))
    return list(found.values())


def _of_mapping(entry: dict[Any, Any], relation: str) -> list[tuple[Any, str]]:
    """Return what a mapping names: the value of the key that holds an id, else ids as keys, else all nested values."""
    texts = {key: entry[key] for key in _ID_KEYS if isinstance(entry.get(key), str) and entry[key].strip()}
    own = next((entry[key] for key in _RELATION_KEYS if isinstance(entry.get(key), str)), relation)
    for text in texts.values():
        if "/" in (name := repository_name(text)) and is_repository_id(name):
            return [(text, own)]
    if texts:
        return [(next(iter(reversed(texts.values()))), own)]
    ids = [key for key in entry if isinstance(key, str) and "/" in key and is_repository_id(repository_name(key))]
    if ids:
        return [(key, entry[key] if isinstance(entry[key], str) else relation) for key in ids]
    return [(each, own) for each in entry.values() if isinstance(each, list | tuple | dict)]


def _split(text: str) -> list[str]:
    """Return the names in a text: several where all of its pieces are ids with an owner, else the text."""
    name = text.strip()
    if not name:
        return []
    if is_repository_id(name):
        return [name]
    if (listed := _LIST_TEXT.match(name)) and "](" not in name:
        inside = [piece.strip().strip("'\"") for piece in listed.group(1).split(",")]
        if all("/" in piece or is_repository_id(piece) for piece in inside if piece):
            return [piece for piece in inside if piece]
    pieces = [piece for piece in _SEPARATOR.split(name) if piece.strip()]
    if len(pieces) > 1 and all(_is_owned(p) or (len(p) >= _MIN_UNOWNED and is_repository_id(p)) for p in pieces):
        return pieces
    pieces = [piece for piece in _LOOSE_SEPARATOR.split(name) if piece.strip()]
    return pieces if len(pieces) > 1 and all(_is_owned(piece) for piece in pieces) else [name]


def _is_owned(piece: str) -> bool:
    name = repository_name(piece)
    return "/" in name and is_repository_id(name)
