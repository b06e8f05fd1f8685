"""Makes the digests of licence texts: `python -m benchmarks.license_texts FOLDER`.

FOLDER holds the `.LICENSE` files of ScanCode's LicenseDB (CC BY 4.0), as in `licensedcode/data/licenses` of the package
scancode-toolkit-mini 32.5.0. Only digests of the texts of licences in the catalogue are kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml

from atlas_db.catalogue import texts
from atlas_db.catalogue.loader import catalogue
from atlas_db.catalogue.text_parameters import TEXT

OUT = Path(texts.__file__).with_name(texts.FILE)
OTHER_KEYS = {"gemma-tou-2024-04-01": "gemma", "gemma-tou-2025-03-24": "gemma"}
"""Further texts of an entry that ScanCode holds under keys of their own."""


def license_id(key: str, spdx: list[str]) -> str | None:
    """Return the id in the catalogue for a key of ScanCode and SPDX ids, None where there is none."""
    if key in OTHER_KEYS:
        return OTHER_KEYS[key]
    names = {f"licenseref-scancode-{key}", *(each.lower() for each in spdx)}
    fitting = [row for row in catalogue() if row.ref.lower() in names]
    exact = [row for row in fitting if row.ref.lower().removesuffix("-only") == key]
    return next((row.id for row in (*exact, *fitting)), None)


def terms_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of the terms: that they end and how to apply them is often left out of copies."""
    terms, _, _ = " ".join(words).partition(" end of terms and conditions")
    return tuple(terms.split())


def made(folder: Path) -> Iterator[texts.LicenseText]:
    """Yield the digests of each text whose licence the catalogue has."""
    for file in sorted(folder.glob("*.LICENSE")):
        _, front, text = f"{file.read_text(encoding='utf-8')}\n".split("---\n", 2)
        about = yaml.safe_load(front)
        spdx = [about["spdx_license_key"]] if about.get("spdx_license_key") else []
        # A notice "version 3 or later" is no text of the licence.
        if about.get("is_exception") or about.get("is_deprecated") or about["key"].endswith("-plus"):
            continue
        name, whole = license_id(about["key"], spdx), tuple(texts.words_of(text))
        for words in dict.fromkeys((whole, terms_of(whole))):
            if name is not None and len(words) >= TEXT.min_words:
                anchor, digest = texts.anchor_of(words), texts.digest_of(words)
                yield texts.LicenseText(name, about["key"], len(words), anchor, digest)


if __name__ == "__main__":
    rows = list(made(Path(sys.argv[1])))
    OUT.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    print(f"{len(rows)} texts of {len({row.license for row in rows})} licences")
