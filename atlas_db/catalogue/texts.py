"""Recognises licence texts in files, by digests of their words: no text is kept here.

A text is recognised where all its words occur in a row. Case, punctuation, line breaks, list markers, lines of
copyright and the name of its holder do not count. `texts.jsonl` has the digests. `benchmarks/license_texts.py` makes
them from ScanCode's LicenseDB (CC BY 4.0).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Annotated

import msgspec

from atlas_db.catalogue.loader import read_rows
from atlas_db.catalogue.text_parameters import TEXT
from atlas_db.core.decoding import prepared

FILE = "texts.jsonl"
ANCHOR_WORDS = 8
"""Words at the start of a text whose digest finds the places to compare."""
_SPACE = re.compile(r"\s+")
# White space is looked at in runs of one character, and no line's beginning in another line: it takes linear time.
_COPYRIGHT = re.compile(
    r"^[^\w\n]*(?:copyright\s*(?:\(c\)|©|[\[<{]|\d{4}|by\b)|\(c\)\s|©|all rights reserved\W*$).*$",
    re.IGNORECASE | re.MULTILINE,
)
_MARKER = re.compile(
    r"(?:^|(?<=[.;:)]\s))\s*[(\[]?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)\]]+\s+(?=\S)", re.IGNORECASE | re.MULTILINE
)
_HOLDER = re.compile(r"neither the names? of (?:\w+ ){1,15}?nor the names? of (?:its|their|the|any) contributors")
_WORD = re.compile(r"[^\W_]+")
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16,64}$")]


@prepared
class LicenseText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Digests of one text.

    Attributes:
        license: Id of the licence in the catalogue.
        key: Key of the text in ScanCode's LicenseDB.
        words: Number of its words.
        anchor: Digest of its first words, shortened.
        digest: SHA-256 of its words, joined by spaces.
    """

    license: str
    key: str
    words: Annotated[int, msgspec.Meta(ge=TEXT.min_words)]
    anchor: _Digest
    digest: _Digest


def words_of(text: str) -> list[str]:
    """Return the words of a text that count, in lower case."""
    lines = _SPACE.sub(lambda run: "\n" if "\n" in run[0] else " ", unicodedata.normalize("NFKC", text))
    plain = _MARKER.sub("", _COPYRIGHT.sub("", lines))
    words = " ".join(_WORD.findall(plain.lower()))
    return _HOLDER.sub("neither holder nor contributors", words).split()


def digest_of(words: Sequence[str]) -> str:
    """Return the SHA-256 of words, joined by spaces."""
    return hashlib.sha256(" ".join(words).encode("utf-8", errors="surrogatepass")).hexdigest()


def anchor_of(words: Sequence[str]) -> str:
    """Return the shortened digest of the first words of a text."""
    return digest_of(words[:ANCHOR_WORDS])[:16]


class TextIndex:
    """Licence texts by the digest of their first words."""

    def __init__(self, texts: Iterable[LicenseText]) -> None:
        self._texts: dict[str, list[LicenseText]] = defaultdict(list)
        for text in texts:
            self._texts[text.anchor].append(text)

    def find(self, text: str) -> tuple[list[LicenseText], int]:
        """Return the licence texts in a file, in order, and the number of words around them.

        Of texts that overlap, the longest is returned.
        """
        words = words_of(text)
        found = [
            (start, each)
            for start in range(len(words) - TEXT.min_words + 1)
            for each in self._texts.get(anchor_of(words[start : start + ANCHOR_WORDS]), ())
            if digest_of(words[start : start + each.words]) == each.digest
        ]
        kept: list[tuple[int, LicenseText]] = []
        for start, each in sorted(found, key=lambda pair: (-pair[1].words, pair[0])):
            if all(start >= other + b.words or start + each.words <= other for other, b in kept):
                kept.append((start, each))
        around = len(words) - sum(each.words for _, each in kept)
        return list(dict.fromkeys(each for _, each in sorted(kept, key=lambda pair: pair[0]))), around


@cache
def text_index() -> TextIndex:
    """Return the shipped texts."""
    return TextIndex(read_rows(resources.files(__package__).joinpath(FILE).read_bytes(), LicenseText, FILE))
