"""Tests of `atlas_db/catalogue/loader.py`."""

from __future__ import annotations

import pytest

from atlas_db.catalogue.loader import Catalogue, License, read_rows
from atlas_db.core.errors import CatalogueError


def test_the_catalogue_refuses_a_broken_row_with_its_line() -> None:
    row = (
        b'{"id":"x","name":"X","ref":"LicenseRef-x","family":"permissive","aliases":[],"grants":[],"obligations":[],'
        b'"restrictions":[],"relicense":"any","source":"https://x.org","date":"2024"}'
    )
    (good,) = read_rows(row, License, "c.jsonl")
    for broken, observed in (
        (row.replace(b'"permissive"', b'"nice"'), "family"),
        (row[:-5], "line 2"),
        (row.replace(b'"2024"', b'"soon"'), "date"),
        (row.replace(b'"X"', b'""'), "name"),
    ):
        with pytest.raises(CatalogueError, match=f"c.jsonl, line 2.*{observed}|{observed}"):
            read_rows(b"# a comment\n" + broken, License, "c.jsonl")
    with pytest.raises(CatalogueError, match="twice"):
        Catalogue([good, good])
