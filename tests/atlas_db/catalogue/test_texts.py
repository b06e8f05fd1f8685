"""Tests of `atlas_db/catalogue/texts.py`, on licence files that installed packages bring along."""

from __future__ import annotations

import time
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path

import license_expression
import pytest

from atlas_db.catalogue.loader import catalogue, read_rows
from atlas_db.catalogue.texts import (
    FILE,
    LicenseText,
    TextIndex,
    anchor_of,
    digest_of,
    text_index,
    words_of,
)
from tests.support.paths import ROOT

ROWS = read_rows((ROOT / "atlas_db" / "catalogue" / FILE).read_bytes(), LicenseText, FILE)
CC_BY = Path(license_expression.__file__).parent / "data" / "cc-by-4.0.LICENSE"


def license_of(package: str) -> str:
    found = [file for file in distribution(package).files or () if "LICENSE" in file.name.upper()]
    return Path(str(found[0].locate())).read_text(encoding="utf-8")


def found_in(text: str) -> list[str]:
    return [each.license for each in text_index().find(text)[0]]


def test_each_text_is_of_a_licence_of_the_catalogue() -> None:
    assert len(ROWS) > 70
    assert all(row.license in catalogue() for row in ROWS)
    assert all(number == 1 for number in Counter(row.digest for row in ROWS).values())
    index = {entry["license_key"] for entry in _scancode()}
    assert all(row.key in index or row.key.startswith(("gemma-tou", "llama-4")) for row in ROWS)


def _scancode() -> list[dict[str, str]]:
    import json

    file = Path(license_expression.__file__).parent / "data" / "scancode-licensedb-index.json"
    rows: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize(
    ("package", "license_id"),
    [("attrs", "mit"), ("pandas", "bsd-3-clause"), ("requests", "apache-2.0"), ("click", "bsd-3-clause")],
)
def test_texts_of_installed_packages(package: str, license_id: str) -> None:
    assert license_id in found_in(license_of(package))


def test_whole_texts_only() -> None:
    text = CC_BY.read_text(encoding="utf-8")
    assert found_in(text) == ["cc-by-4.0"]
    assert found_in((ROOT / "LICENSE").read_text(encoding="utf-8")) == ["apache-2.0"]
    # A title, a part of a text, and a text with a word more are no licence text.
    assert found_in("Creative Commons Attribution 4.0 International") == []
    assert found_in(text[: len(text) // 2]) == []
    assert found_in(text.replace("worldwide", "worldwide commercial", 1)) == []
    unwrapped = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    # Layout does not count, and what stands around it neither.
    assert found_in(f"# Our weights\n\nCopyright (c) 2026 us\n\n{unwrapped.upper()}\n\nBye.") == ["cc-by-4.0"]
    assert found_in(f"{text}\n{license_of('attrs')}") == ["cc-by-4.0", "mit"]


def test_of_texts_that_overlap_the_longest_is_found() -> None:
    words = [f"word{n}" for n in range(60)]
    rows = [
        LicenseText(name, name, size, anchor_of(words), digest_of(words[:size]))
        for name, size in (("a", 40), ("b", 60))
    ]
    index = TextIndex(rows)
    assert [each.license for each in index.find(" ".join(words))[0]] == ["b"]
    assert [each.license for each in index.find(" ".join(words[:50]))[0]] == ["a"]
    assert index.find(" ".join(words[:30])) == ([], 30)


def test_copyright_lines_markers_and_holders_do_not_count() -> None:
    one = "Copyright (c) 2020 A\n\n1. Keep the notice.\nNeither the name of A nor the names of its contributors\n"
    other = "(c) B Ltd.\nAll rights reserved.\n* a) Keep the\nnotice. Neither the name of B Ltd nor the names of its contributors"
    assert words_of(one) == words_of(other.replace("* ", ""))
    assert words_of("copyright notice, this list") == ["copyright", "notice", "this", "list"]


def test_the_time_for_a_file_grows_with_its_words_alone() -> None:
    text = " ".join(f"word{number % 977}" for number in range(400_000))
    began = time.process_time()
    assert found_in(text) == []
    assert time.process_time() - began < 120, "the square of the words would take seven minutes and more"


@pytest.mark.parametrize("line", ["\n", "<\n", " \n", "* "])
def test_lines_without_words_take_linear_time(line: str) -> None:
    began = time.process_time()
    assert words_of(line * 100_000 + "word") == ["word"]
    assert time.process_time() - began < 10, "the square of the lines would take twenty minutes"
