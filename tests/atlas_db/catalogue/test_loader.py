"""Tests of `atlas_db/catalogue/loader.py`."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from atlas_db.catalogue.loader import Catalogue, License, LicenseFamily, catalogue, read_rows
from atlas_db.core.errors import CatalogueError


def test_the_catalogue_refuses_a_broken_row_with_its_line() -> None:
    row = (
        b'{"id":"x","name":"X","ref":"LicenseRef-x","family":"permissive","aliases":[],"grants":[],"obligations":[],'
        b'"restrictions":[],"relicense":"any","source":"https://x.org","date":"2024","text":"read"}'
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


def test_references_are_those_of_spdx_and_of_the_index_of_scancode() -> None:
    from cyclonedx.spdx import is_supported_id

    index = json.loads(
        resources.files("license_expression").joinpath("data/scancode-licensedb-index.json").read_bytes()
    )
    known = {each["spdx_license_key"] for each in index if not each["is_deprecated"]}
    references = [row.ref for row in catalogue()]
    assert len(set(references)) == len(references)
    for reference in references:
        if reference.startswith("LicenseRef-scancode-"):
            assert reference in known
        elif not reference.startswith("LicenseRef-"):
            assert is_supported_id(reference)


def test_an_entry_states_what_it_rests_on() -> None:
    for row in catalogue():
        if row.text == "read" and row.spdx is None:
            assert row.read_on, row.id
        assert not row.read_at or row.read_on, row.id
    assert catalogue().get("qwen-community-1.0").text == "described"  # type: ignore[union-attr]
    assert catalogue().get("lfm1.0").text == "read"  # type: ignore[union-attr]


def test_one_title_of_several_texts_is_decided_by_owner_or_address() -> None:
    book = catalogue()
    assert (
        book.titled("modified-mit", "moonshotai") == book.titled("modified-mit", "MoonshotAI") == "kimi-k2-modified-mit"
    )
    for owner in ("MiniMaxAI", "someone", ""):
        found = book.get(book.titled("modified-mit", owner) or "")
        assert found is not None
        assert found.family is LicenseFamily.UNKNOWN
    link = "https://github.com/MiniMax-AI/MiniMax-M2.7/blob/main/LICENSE"
    assert book.at_address(link) == "minimax-m2.7-non-commercial"
    assert book.at_address("https://huggingface.co/Qwen/Qwen2.5-3B/raw/main/LICENSE") == "qwen-research"
    assert book.at_address("https://huggingface.co/Qwen/Qwen2.5-72B/raw/main/LICENSE") == "qwen"


def test_one_address_or_title_for_two_licences_is_refused() -> None:
    (row,) = [each for each in catalogue() if each.id == "kimi-k3"]
    twin = type(row)(
        **{name: getattr(row, name) for name in row.__struct_fields__} | {"id": "twin", "aliases": [], "ref": "X"}
    )
    with pytest.raises(CatalogueError, match="means two licences"):
        Catalogue([row, twin])
