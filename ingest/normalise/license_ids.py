"""Licence ids of cards: Hub ids, SPDX expressions, aliases, addresses, `other` with a name or link, and lists."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from itertools import islice
from typing import Any, NamedTuple

from atlas_db.catalogue.addresses import is_address
from atlas_db.catalogue.expressions import canonical_expression, has_terms, parse_expression
from atlas_db.catalogue.loader import catalogue
from atlas_db.claims.parameters.declaration_parameters import DECLARATION
from atlas_db.core.safe_text import cut, shown

OTHER = "other"
MAX_LICENSES = 1024
"""Licences that are read of one field."""
MAX_LEVELS = 16
"""Lists and mappings inside each other that are read of one field."""
_NAME_KEYS = (
    "spdx_id", "spdx-id", "spdx", "id", "identifier", "license", "licence", "license_name", "name", "type", "title",
    "key", "url", "link", "license_link", "href", "text",
)  # fmt: skip
"""Keys of a mapping that name a licence, the most exact first. No field's format has one; npm has `type` and `url`."""


class StatedLicense(NamedTuple):
    """One licence that a card states.

    Attributes:
        id: Id as declared: `normalise_license_id` of what was written.
        confidence: 0..1; below 1 where it was derived, not stated.
        written: The same as its author wrote it, with capital letters.
    """

    id: str
    confidence: float
    written: str


def normalise_license_id(text: str) -> str:
    """Return a licence id as declared: trimmed, lower case, one space between words, no characters without a glyph."""
    if not text.isascii():
        text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return re.sub(r"\s+", " ", text.strip().lower())


def canonical_license_id(identifier: str) -> str:
    """Return the Hub's id for an id, alias or address, or the canonical text of an expression.

    An unknown id is returned unchanged.
    """
    return catalogue().canonical(identifier) or canonical_expression(identifier) or identifier


def card_licenses(
    value: Any,  # noqa: ANN401
    name: Any = None,  # noqa: ANN401
    link: Any = None,  # noqa: ANN401
    owner: str = "",
) -> tuple[list[StatedLicense], list[str]]:
    """Return the licences that a card declares.

    `other` with a name or a link gives both: `other`, and what the link or the name means as a licence id. A name or a
    link without `license` counts as `other`. Lists in lists are read, and mappings by their id, name, title or address.
    What cannot be read becomes an id that no catalogue has, so that it never counts as a licence that is not stated.

    Args:
        value: `license` of the card: a string, a list, a mapping, or an invalid value.
        name: `license_name` of the card.
        link: `license_link` of the card.
        owner: Owner of the repository. Some titles name the text of one owner only.

    Returns:
        The licences in the order written, and what was unusual about their form, each sentence once. Confidence is .95
        for what a name or link means where the catalogue has it, otherwise .9.
    """
    remarks: list[str] = []
    found: dict[str, StatedLicense] = {}
    for written in _texts(value, remarks):
        identifier = normalise_license_id(written)
        found.setdefault(identifier, StatedLicense(identifier, 1.0, " ".join(written.split())))
    titles, links = (_texts(each, []) for each in (name, link))
    if not found and (titles or links):
        remarks.append("license is missing: license_name and license_link are read")
        found[OTHER] = StatedLicense(OTHER, DECLARATION.unknown_license, OTHER)
    if OTHER in found:
        title, address = (" ".join(each[0].split()) if each else "" for each in (titles, links))
        for meant in _named(normalise_license_id(title), normalise_license_id(address), owner):
            known = meant in catalogue() or has_terms(meant)
            written = title if meant == normalise_license_id(title) else meant
            found.setdefault(
                meant,
                StatedLicense(meant, DECLARATION.known_license if known else DECLARATION.unknown_license, written),
            )
    return list(found.values()), list(dict.fromkeys(remarks))


def _texts(value: object, remarks: list[str], level: int = 0) -> list[str]:
    """Return the texts in a field: strings, those in lists, and the name in each mapping."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if value is None or value is False or (isinstance(value, float) and math.isnan(value)):
        return []
    if level > MAX_LEVELS:
        remarks.append(f"license cannot be read: it is nested more than {MAX_LEVELS} levels deep")
        return [shown(value)]
    if isinstance(value, (list, tuple)):
        if any(isinstance(each, (list, tuple)) for each in value):
            remarks.append("license is a list of lists: all in it are read")
        if len(value) > MAX_LICENSES:
            remarks.append(f"license is a list of {len(value):,}, of which {MAX_LICENSES:,} are read")
        found = (text for each in value[:MAX_LICENSES] for text in _texts(each, remarks, level + 1))
        return list(islice(found, MAX_LICENSES))
    if isinstance(value, dict):
        if not value:
            return []
        for key in _NAME_KEYS:
            if named := _texts(value.get(key), [], level + 1):
                remarks.append(f"license is a mapping: its {key} is read")
                return named
        keys = [key for key in value if isinstance(key, str) and has_terms(canonical_license_id(key))]
        if keys:
            remarks.append("license is a mapping: its keys are read")
            return keys
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        text = shown(value)
    remarks.append(f"license cannot be read: {cut(text)}")
    return [text]


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
