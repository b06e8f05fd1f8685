"""Licence ids: lower-case Hub ids, SPDX identifiers, aliases, `other` with a name, lists."""

from __future__ import annotations

import re
from typing import Any

# SPDX License List 3.27 (spdx.org/licenses): Hub id -> SPDX id, where the Hub's id names exactly one entry.
SPDX = {
    "afl-3.0": "AFL-3.0", "agpl-3.0": "AGPL-3.0-only", "apache-2.0": "Apache-2.0",
    "artistic-2.0": "Artistic-2.0", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear", "bsl-1.0": "BSL-1.0", "c-uda": "C-UDA-1.0",
    "cc-by-2.0": "CC-BY-2.0", "cc-by-2.5": "CC-BY-2.5", "cc-by-3.0": "CC-BY-3.0", "cc-by-4.0": "CC-BY-4.0",
    "cc-by-nc-2.0": "CC-BY-NC-2.0", "cc-by-nc-3.0": "CC-BY-NC-3.0", "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-nd-3.0": "CC-BY-NC-ND-3.0", "cc-by-nc-nd-4.0": "CC-BY-NC-ND-4.0",
    "cc-by-nc-sa-2.0": "CC-BY-NC-SA-2.0", "cc-by-nc-sa-3.0": "CC-BY-NC-SA-3.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0", "cc-by-nd-4.0": "CC-BY-ND-4.0", "cc-by-sa-3.0": "CC-BY-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0", "cc0-1.0": "CC0-1.0", "cdla-permissive-1.0": "CDLA-Permissive-1.0",
    "cdla-permissive-2.0": "CDLA-Permissive-2.0", "cdla-sharing-1.0": "CDLA-Sharing-1.0",
    "ecl-2.0": "ECL-2.0", "epl-1.0": "EPL-1.0", "epl-2.0": "EPL-2.0", "etalab-2.0": "etalab-2.0",
    "eupl-1.1": "EUPL-1.1", "eupl-1.2": "EUPL-1.2", "gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only",
    "isc": "ISC", "lgpl-2.1": "LGPL-2.1-only", "lgpl-3.0": "LGPL-3.0-only", "lgpl-lr": "LGPLLR",
    "lppl-1.3c": "LPPL-1.3c", "mit": "MIT", "mpl-2.0": "MPL-2.0", "ms-pl": "MS-PL", "ncsa": "NCSA",
    "odbl": "ODbL-1.0", "odc-by": "ODC-By-1.0", "ofl-1.1": "OFL-1.1", "osl-3.0": "OSL-3.0", "pddl": "PDDL-1.0",
    "postgresql": "PostgreSQL", "unlicense": "Unlicense", "wtfpl": "WTFPL", "zlib": "Zlib",
}  # fmt: skip

_ALIASES = {
    "apache": "apache-2.0", "apache 2": "apache-2.0", "apache license 2.0": "apache-2.0", "apache2": "apache-2.0",
    "apache-2": "apache-2.0", "apache license, version 2.0": "apache-2.0",
    "mit license": "mit", "the mit license": "mit",
    "bsd 3-clause": "bsd-3-clause", "gplv3": "gpl-3.0", "gnu gpl v3": "gpl-3.0", "gplv2": "gpl-2.0",
    "agplv3": "agpl-3.0", "lgplv3": "lgpl-3.0", "cc0": "cc0-1.0", "cc by 4.0": "cc-by-4.0",
    "cc-by-sa": "cc-by-sa-4.0", "llama-2": "llama2", "llama 2": "llama2", "llama2-license": "llama2",
    "meta-llama-2-community-license-agreement": "llama2", "llama-2-community-license-agreement": "llama2",
    "llama-3": "llama3", "llama 3": "llama3", "llama3-license": "llama3", "meta-llama-3": "llama3",
    "meta-llama-3-community-license-agreement": "llama3", "meta-llama-3-community-license": "llama3",
    "llama-3.1": "llama3.1", "llama 3.1": "llama3.1", "meta-llama-3.1-community-license-agreement": "llama3.1",
    "llama-3.2": "llama3.2", "llama-3.3": "llama3.3", "llama-4": "llama4", "gemma-terms-of-use": "gemma",
    "gemma terms of use": "gemma", "openrail-m": "openrail", "bigscience-openrail": "bigscience-openrail-m",
    "creativeml openrail-m": "creativeml-openrail-m", "bigcode-openrail": "bigcode-openrail-m",
}  # fmt: skip
_SPDX_LOWER = {spdx.lower(): hub for hub, spdx in SPDX.items()} | {
    f"{family}-{version}-or-later": f"{family}-{version}"
    for family, version in (("gpl", "3.0"), ("gpl", "2.0"), ("agpl", "3.0"), ("lgpl", "3.0"), ("lgpl", "2.1"))
}
_SPACE = re.compile(r"[\s_]+")
NAMED = "other"


def licence_id(text: str) -> str:
    """Return a licence id as declared: trimmed, lower case, one space between words."""
    return re.sub(r"\s+", " ", text.strip().lower())


def canonical(identifier: str) -> str:
    """Return the Hub's id that an id means; the id itself where it is one, or where nothing is known of it."""
    if identifier in SPDX:
        return identifier
    for form in (identifier, _SPACE.sub("-", identifier), _SPACE.sub(" ", identifier)):
        if form in SPDX:
            return form
        if (found := _ALIASES.get(form) or _SPDX_LOWER.get(form)) is not None:
            return found
    return identifier


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
            found.setdefault(meant, 0.95 if meant != written or meant in _HUB_NAMED else 0.9)
    return list(found.items())


_HUB_NAMED = frozenset({*SPDX, *_ALIASES.values()})


def properties(identifier: str) -> dict[str, str]:
    """Return the properties of a License node."""
    meant = canonical(identifier)
    row = {"id": identifier}
    if meant in SPDX:
        row["spdx_id"] = SPDX[meant]
    if meant != identifier:
        row["canonical"] = meant
    return row
