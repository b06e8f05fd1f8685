"""Tests of `atlas_db/catalogue/titles.py`."""

from __future__ import annotations

import pytest

from atlas_db.catalogue.loader import License, catalogue
from atlas_db.catalogue.titles import title_key
from ingest.normalise.license_ids import canonical_license_id, normalise_license_id


@pytest.mark.parametrize("row", list(catalogue()), ids=lambda row: row.id)
def test_each_title_of_the_catalogue_names_its_entry(row: License) -> None:
    for written in (row.name, row.name.upper(), f"The {row.name}.", row.name.replace(" ", "-")):
        assert canonical_license_id(normalise_license_id(written)) == row.id


def test_no_two_entries_have_titles_of_one_spelling() -> None:
    assert len({title_key(row.name) for row in catalogue()}) == len(catalogue())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Creative Commons Attribution-NonCommercial 4.0 International", "cc-by-nc-4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International Public License", "cc-by-nc-sa-4.0"),
        ("CC BY-NC-ND 4.0", "cc-by-nc-nd-4.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("GNU GPL v3.0", "gpl-3.0"),
        ("GNU General Public Licence, version 2", "gpl-2.0"),
        ("GNU AGPLv3", "agpl-3.0"),
        ("Mozilla Public License Version 2.0", "mpl-2.0"),
        ("BSD 3-Clause License", "bsd-3-clause"),
        ("Apache License v2", "apache-2.0"),
        ("GNU General Public License", "gpl"),
    ],
)
def test_other_spellings_of_a_title(written: str, meant: str) -> None:
    assert canonical_license_id(normalise_license_id(written)) == meant


@pytest.mark.parametrize(
    "written",
    ["Mozilla Public License", "Mozilla Public License 1.1", "Creative Commons Attribution 1.0", "Creative Commons Attribution",
     "Creative Commons Attribution 3.0 US", "Apache License 1.1", "Llama 5 Community License Agreement", "public license",
     "license agreement", "4.0 international"],
)  # fmt: skip
def test_another_version_or_none_is_no_title_of_ours(written: str) -> None:
    assert canonical_license_id(normalise_license_id(written)) not in catalogue()
