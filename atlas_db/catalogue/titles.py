"""Titles of licences as people write them: one spelling for each, in which versions are kept."""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile(r"[\"'`*“”‘’™®©]")
_BREAKS = re.compile(r"[\s_,;:/()\[\]‐-―-]+")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")
_GLUED = re.compile(r"\b(gpl|agpl|lgpl|mpl|apache|bsd)v?(?=\d)")
_SILENT = frozenset({"the", "version", "v", "ver", "international", "unported", "universal"})
_SHORT = (
    ("gnu affero general public license", "agpl"),
    ("gnu lesser general public license", "lgpl"),
    ("gnu general public license", "gpl"),
    ("gnu free documentation license", "gfdl"),
    ("gnu agpl", "agpl"),
    ("gnu lgpl", "lgpl"),
    ("gnu gpl", "gpl"),
    ("creative commons zero", "cc0"),
    ("cc zero", "cc0"),
    ("creative commons", "cc"),
    ("cc attribution", "cc by"),
    ("noncommercial", "non commercial"),
    ("sharealike", "share alike"),
    ("noderivatives", "no derivatives"),
    ("noderivs", "no derivatives"),
    ("no derivs", "no derivatives"),
)
_SHORT_CC = (("non commercial", "nc"), ("share alike", "sa"), ("no derivatives", "nd"), (" public license", ""))
_TAIL = re.compile(r" (?:license(?: agreement)?|agreement)$")


def title_key(text: str) -> str:
    """Return one spelling of a title: case, quotes, hyphens, `the`, `version` and a zero minor version do not matter.

    Args:
        text: A title or an id, as written.
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFKC", text)).lower().replace("licence", "license")
    words = [word for word in _BREAKS.split(_GLUED.sub(r"\1 ", plain)) if word not in _SILENT]
    key = " ".join(_number(word) for word in words if word)
    for long, short in _SHORT:
        key = key.replace(long, short)
    if key.startswith("cc "):
        for long, short in _SHORT_CC:
            key = key.replace(long, short)
    return _TAIL.sub("", key)


def _number(word: str) -> str:
    """Return a version without `v` and without minor versions of zero; any other word as it is."""
    found = _VERSION.fullmatch(word)
    return re.sub(r"(?:\.0)+$", "", found[1]) if found else word
