"""Licence ids of cards: Hub ids, SPDX expressions, aliases, addresses, `other` with a name or link, and lists."""

from __future__ import annotations

import re
from typing import Any

from atlas_db.catalogue.addresses import is_address
from atlas_db.catalogue.expressions import canonical_expression, has_terms, parse_expression
from atlas_db.catalogue.loader import catalogue

OTHER = "other"
_KNOWN = 0.95
_UNKNOWN = 0.9


def normalise_license_id(text: str) -> str:
    """Return a licence id as declared: trimmed, lower case, one space between words."""
    return re.sub(r"\s+", " ", text.strip().lower())


def canonical_license_id(identifier: str) -> str:
    """Return the Hub's id for an id, alias or address, or the canonical text of an expression.

    An unknown id is returned unchanged.
    """
    return catalogue().canonical(identifier) or canonical_expression(identifier) or identifier


def card_license_ids(
    value: Any,  # noqa: ANN401
    name: Any = None,  # noqa: ANN401
    link: Any = None,  # noqa: ANN401
    owner: str = "",
) -> list[tuple[str, float]]:
    """Return the licences that a card declares, with confidences.

    Args:
        value: `license` of the card: a string, a list, or an invalid value.
        name: `license_name` of the card.
        link: `license_link` of the card.
        owner: Owner of the repository. Some titles name the text of one owner only.

    Returns:
        Pairs (id, confidence) in the order written. `other` with a name or a link gives both: `other`, and what the
        link or the name means as a licence id, with confidence .95 where the catalogue has it, otherwise .9.
    """
    values = value if isinstance(value, list) else [value]
    found = {normalise_license_id(entry): 1.0 for entry in values if isinstance(entry, str) and entry.strip()}
    if OTHER in found:
        for meant in _named(_text(name), _text(link), owner):
            found.setdefault(meant, _KNOWN if meant in catalogue() or has_terms(meant) else _UNKNOWN)
    return list(found.items())


def _text(value: object) -> str:
    return normalise_license_id(value) if isinstance(value, str) else ""


def _named(name: str, link: str, owner: str) -> list[str]:
    """Return what `license_name` and `license_link` mean. The link decides where the name has no text of its own."""
    linked = catalogue().at_address(link) if is_address(link) else None
    titled = (catalogue().titled(name, owner) or canonical_license_id(name)) if name else OTHER
    if linked is not None and (titled == OTHER or not has_terms(titled)):
        return [linked]
    return [each for each in dict.fromkeys((titled, linked or OTHER)) if each != OTHER]


def license_properties(identifier: str) -> dict[str, Any]:
    """Return the properties of a License node."""
    meant = canonical_license_id(identifier)
    row: dict[str, Any] = {"id": identifier}
    expression = parse_expression(identifier)
    several = expression is not None and expression.operator is not None
    if expression is not None and expression.spdx and (several or not expression.spdx.startswith("LicenseRef-")):
        row["spdx_id"] = expression.spdx
    if meant != identifier:
        row["canonical"] = meant
    if expression is not None and several:
        row["parts"] = list(expression.licenses())
    return row
