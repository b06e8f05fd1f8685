"""Licence files of a folder: the digest of each, and the licences whose texts are in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from atlas_db.catalogue.expressions import has_terms, parse_expression
from atlas_db.catalogue.loader import catalogue
from atlas_db.catalogue.text_parameters import TEXT
from atlas_db.catalogue.texts import text_index
from atlas_db.core.files import printable

LICENSE_FILE = re.compile(r"licen[cs]e|copying|terms|use_policy", re.IGNORECASE)
"""Names of files that may hold a licence."""
MAX_BYTES = 2**20
"""Bytes of a file that are read for its text; the digest is that of the whole file."""


class LicenseFile(NamedTuple):
    """One licence file.

    Attributes:
        file: Its path in the folder.
        sha256: SHA-256 of its bytes.
        licenses: Ids of the licences whose whole text is in it, in order; empty where no text is recognised.
        around: Words around these texts; None where no text is recognised.
    """

    file: str
    sha256: str
    licenses: tuple[str, ...]
    around: int | None

    @property
    def is_unchanged(self) -> bool:
        """Whether it holds known texts and little else: more words may change their terms."""
        return self.around is not None and self.around <= TEXT.max_words_around

    def evidence(self, declared: Iterable[str]) -> dict[str, Any]:
        """Return the file as evidence.

        Args:
            declared: Licences that the card declares.

        Returns:
            `file`, `sha256`, `licenses`, `text_ids` (SPDX ids or LicenseRefs of the texts), `words_around`, and
            `agrees`: whether the card declares one of these licences. It is None where the card declares none that can
            be read, or no text is recognised. So it is where there are more words, which may change the terms.
        """
        stated = {part for each in declared if has_terms(each) for part in _parts(each)}
        known = self.is_unchanged and bool(stated)
        return {
            "file": self.file,
            "sha256": self.sha256,
            "licenses": list(self.licenses),
            "text_ids": [entry.ref for each in self.licenses if (entry := catalogue().get(each)) is not None],
            "words_around": self.around,
            "agrees": bool(stated & set(self.licenses)) if known else None,
        }


def _parts(license_id: str) -> tuple[str, ...]:
    expression = parse_expression(license_id)
    return (license_id,) if expression is None else expression.licenses()


def read_license_files(folder: Path) -> tuple[LicenseFile, ...]:
    """Read the licence files of a folder and of the folders in it. One that cannot be read is left out."""
    found = []
    for file in sorted(folder.rglob("*")):
        if LICENSE_FILE.search(file.name) and not any(part.startswith(".") for part in file.relative_to(folder).parts):
            try:
                if file.is_file():
                    found.append(_read(file, printable(file.relative_to(folder))))
            except OSError:
                continue
    return tuple(found)


def _read(file: Path, name: str) -> LicenseFile:
    with file.open("rb") as handle:
        head = handle.read(MAX_BYTES)
        digest = hashlib.sha256(head)
        while block := handle.read(MAX_BYTES):
            digest.update(block)
    texts, around = text_index().find(head.decode("utf-8", errors="replace"))
    licenses = tuple(dict.fromkeys(each.license for each in texts))
    return LicenseFile(name, digest.hexdigest(), licenses, around if texts else None)
