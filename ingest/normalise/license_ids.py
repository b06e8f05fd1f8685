"""Licence ids: lower-case Hub ids, SPDX identifiers, aliases, `other` with a name, lists."""

from __future__ import annotations

import re
from typing import Any

from atlas_db.catalogue.loader import catalogue

NAMED = "other"


def licence_id(text: str) -> str:
    """Return a licence id as declared: trimmed, lower case, one space between words."""
    return re.sub(r"\s+", " ", text.strip().lower())


def canonical(identifier: str) -> str:
    """Return the Hub's id that an id means; the id itself where it is one, or where nothing is known of it."""
    return catalogue().canonical(identifier) or identifier


def licence_ids(value: Any, name: Any = None) -> list[tuple[str, float]]:  # noqa: ANN401
    """Read what a card says of its licence.

    Args:
        value: `license` of the card: a string, a list, or dirt.
        name: `license_name` of the card.

    Returns:
        Pairs (id, confidence) in the order written. `other` with a name gives both: the name is read as a
        licence id with confidence .95 where it is a known alias, .9 where it stands for itself.
    """
    values = value if isinstance(value, list) else [value]
    found = {licence_id(entry): 1.0 for entry in values if isinstance(entry, str) and entry.strip()}
    if NAMED in found and isinstance(name, str) and name.strip():
        written = licence_id(name)
        meant = canonical(written)
        if meant != NAMED:
            found.setdefault(meant, 0.95 if meant in catalogue() else 0.9)
    return list(found.items())


def properties(identifier: str) -> dict[str, str]:
    """Return the properties of a License node."""
    meant = canonical(identifier)
    row = {"id": identifier}
    licence = catalogue().get(meant)
    if licence is not None and licence.spdx is not None:
        row["spdx_id"] = licence.spdx
    if meant != identifier:
        row["canonical"] = meant
    return row
