"""Names of datasets in a record: any shape, several names in one text, and words that name no dataset."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from atlas_db.claims.placeholder_names import names_no_model, words_of
from atlas_db.claims.repository_ids import is_repository_id, plain_text, repository_name

_PREFIX = re.compile(r"^datasets/", re.IGNORECASE)
MAX_NAMES = 10_000
"""Names that are read of one field."""
MAX_LIST = 2**16
"""Characters of a text that is read as a list of names."""
_SEPARATOR = re.compile(r"[,;|\n]")
_ID_KEYS = ("repo_id", "id", "repo_url", "url", "path", "name", "type")
_NO_DATASET = frozenset(
    {"custom", "custom data", "custom dataset", "custom datasets", "own data", "own dataset", "my data", "my dataset",
     "private data", "private dataset", "internal data", "internal dataset", "proprietary data", "proprietary dataset",
     "your dataset", "your dataset name", "dataset name", "dataset id", "dataset", "datasets", "no dataset",
     "none dataset", "unknown dataset", "undisclosed data", "undisclosed dataset"}
)  # fmt: skip


@lru_cache(maxsize=2**14)
def dataset_name(text: str) -> str:
    """Return the name of the dataset that a text names, its id where it has one; empty where it names none.

    Words such as `None`, `n/a` and `custom` name none. An owner before the word makes it a name.
    """
    name = _PREFIX.sub("", repository_name(_PREFIX.sub("", plain_text(text))))
    return "" if names_no_model(name) or ("/" not in name and words_of(name) in _NO_DATASET) else name


def dataset_names(value: Any) -> list[str]:  # noqa: ANN401
    """Return the datasets that a field names, without repetition; of very many the first ones.

    Args:
        value: A text, which can name several; a list; or a mapping of one dataset, nested at will.
    """
    found: dict[str, None] = {}
    stack = [value]
    while stack and len(found) < MAX_NAMES:
        entry = stack.pop()
        if isinstance(entry, list):
            stack += reversed(entry)
        elif isinstance(entry, dict):
            stack += [entry[key] for key in _ID_KEYS if isinstance(entry.get(key), str)][:1]
        elif isinstance(entry, str):
            found |= dict.fromkeys(_split(entry))
    return [name for name in found if name]


def _split(text: str) -> list[str]:
    """Return the datasets in a text: several where all of its pieces are ids or words for none."""
    parts = _SEPARATOR.split(text) if len(text) <= MAX_LIST else []
    pieces = [dataset_name(piece.strip()) for piece in parts if piece.strip()]
    if len(pieces) > 1 and all(not piece or is_repository_id(piece) for piece in pieces):
        return pieces
    return [dataset_name(text)]
