"""Ids of records: refused where they name nothing, and read where an exporter wrote an address or a folder."""

from __future__ import annotations

import re
import unicodedata

from atlas_db.claims.repository_ids import is_repository_id, repository_name
from atlas_db.core.errors import RecordError
from atlas_db.core.terms import RecordKind, is_origin

MAX_ID = 512
"""Characters of an id at most."""
ODD_ID = "odd_id"
"""Code of the note on an id that the Hub's grammar does not allow."""
_DATASET = re.compile(r"(?:^|://[^/]+/|\.[a-z]+/)datasets/|^datasets--", re.IGNORECASE)
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of surrogate pairs, and separators of lines and paragraphs."""
_ENDS_A_SENTENCE = (".", ",", ";")


def record_id(text: str, kind: RecordKind | None) -> tuple[str, RecordKind | None, str]:
    """Return the id of a record, its kind where the id shows it, and a note where the id is odd, else an empty text.

    An address, a folder of the Hub's cache, or white space around an id give the id in it. Other odd ids stay.

    Args:
        text: The id as written.
        kind: The kind of the record, where it is known.

    Raises:
        RecordError: As `require_id` does.
    """
    if is_repository_id(text):
        return text, kind, ""
    require_id(text)
    found = repository_name(text)
    # `a/b.` may be a repository of old; only what is around an id is taken away.
    if is_repository_id(found) and not text.endswith(_ENDS_A_SENTENCE):
        shown = kind or (RecordKind.DATASET if _DATASET.search(text.strip()) else None)
        return found, shown, f"the id {text!r} was read as {found}"
    return text, kind, f"the id {text!r} is none by the Hub's grammar"


def require_id(text: str) -> None:
    """Refuse an id under which no page and no query could name a model.

    Raises:
        RecordError: It is empty, too long, that of an origin without a name, has control characters or empty parts.
    """
    if not text.strip():
        raise RecordError("the record has no id", code="no_id")
    if len(text) > MAX_ID:
        raise RecordError(f"the id is longer than {MAX_ID} characters", code="id_too_long")
    if has_control_characters(text):
        raise RecordError(f"the id {text!r} has control characters", code="bad_id")
    if "://" not in text and "" in (part.strip() for part in text.split("/")):
        raise RecordError(f"the id {text!r} has an empty part", code="bad_id")
    if is_origin(text):
        raise RecordError(f"the id {text!r} begins as those of origins that are not here", code="bad_id")


def has_control_characters(text: str) -> bool:
    """Return whether text has line breaks, other control characters or halves of surrogate pairs."""
    return not text.isprintable() and any(unicodedata.category(each) in _UNPRINTABLE for each in text)
