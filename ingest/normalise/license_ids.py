"""Licence ids of cards: Hub ids, SPDX identifiers, aliases, `other` with a name, and lists."""

from __future__ import annotations

import re
from typing import Any

from atlas_db.catalogue.loader import catalogue

OTHER = "other"


def normalise_license_id(text: str) -> str:
    """Return a licence id as declared: trimmed, lower case, one space between words."""
    return re.sub(r"\s+", " ", text.strip().lower())


def canonical_license_id(identifier: str) -> str:
    """Return the Hub's id for an id or alias; an unknown id is returned unchanged."""
    return catalogue().canonical(identifier) or identifier


def card_license_ids(value: Any, name: Any = None) -> list[tuple[str, float]]:  # noqa: ANN401
    """Return the licences that a card declares, with confidences.

    Args:
        value: `license` of the card: a string, a list, or an invalid value.
        name: `license_name` of the card.

    Returns:
        Pairs (id, confidence) in the order written. `other` with a name gives both: the name as a licence id, with
        confidence .95 where it is a known alias, otherwise .9.
    """
    values = value if isinstance(value, list) else [value]
    found = {normalise_license_id(entry): 1.0 for entry in values if isinstance(entry, str) and entry.strip()}
    if OTHER in found and isinstance(name, str) and name.strip():
        written = normalise_license_id(name)
        meant = canonical_license_id(written)
        if meant != OTHER:
            found.setdefault(meant, 0.95 if meant in catalogue() else 0.9)
    return list(found.items())


def license_properties(identifier: str) -> dict[str, str]:
    """Return the properties of a License node."""
    meant = canonical_license_id(identifier)
    row = {"id": identifier}
    entry = catalogue().get(meant)
    if entry is not None and entry.spdx is not None:
        row["spdx_id"] = entry.spdx
    if meant != identifier:
        row["canonical"] = meant
    return row
