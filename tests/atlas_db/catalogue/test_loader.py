"""Tests of `atlas_db/catalogue/loader.py`."""

from __future__ import annotations

import json
import re
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


CREATIVE_COMMONS = re.compile(r"cc-by(?P<nc>-nc)?(?P<form>-sa|-nd)?-(?P<version>\d\.\d)")
VERSION_DUTIES = {
    # Section 4: a copy of the licence or its URI, notices kept intact, credit. A derivative is credited, not labelled.
    "2.0": {"attribution", "include_license", "retain_notice"},
    "2.5": {"attribution", "include_license", "retain_notice"},
    # Section 3(b) beside it: an adaptation is labelled as changed.
    "3.0": {"attribution", "include_license", "retain_notice", "state_changes"},
    # Section 3(a)(1): A credit and notices, B modifications, C the licence's text or URI.
    "4.0": {"attribution", "include_license", "retain_notice", "state_changes"},
}


def test_licences_of_creative_commons_differ_in_duties_by_their_letters_alone() -> None:
    rows = {row.id: match for row in catalogue() if (match := CREATIVE_COMMONS.fullmatch(row.id))}
    assert len(rows) == 15
    for identifier, match in rows.items():
        expected = set(VERSION_DUTIES[match["version"]])
        if match["nc"]:
            expected.add("non_commercial")
        if match["form"] == "-sa":
            expected.add("same_license")
        if match["form"] == "-nd" and match["version"] != "4.0":
            expected.discard("state_changes")  # 3.0 grants no adaptations, so it says nothing of their labels.
        assert _duties(identifier) == expected, identifier
    clauses = {
        (duty.type, duty.clause)
        for identifier in rows
        for duty in catalogue().get(identifier).obligations  # type: ignore[union-attr]
        if identifier.endswith("-4.0")
    }
    assert len(clauses) == len({kind for kind, _ in clauses})


SIBLINGS: list[dict[str, set[str]]] = [
    {"gpl-2.0": set(), "gpl-3.0": set(), "gpl": set(), "agpl-3.0": {"network_source"}},
    {"lgpl-2.1": set(), "lgpl-3.0": set(), "lgpl": set(), "lgpl-lr": set()},
    {"epl-1.0": set(), "epl-2.0": set()},
    {"eupl-1.1": set(), "eupl-1.2": set()},
    {"afl-3.0": set(), "osl-3.0": {"same_license", "disclose_source", "network_source"}},
    {"odc-by": set(), "odbl": {"same_license", "disclose_source"}},
    {"cdla-permissive-1.0": set(), "cdla-sharing-1.0": {"same_license"}},
    {"apache-2.0": set(), "ecl-2.0": set()},
    {"bsd": set(), "bsd-2-clause": set(), "bsd-3-clause": set(), "bsd-3-clause-clear": set()},
    {
        "openrail": set(),
        "openrail++": set(),
        "creativeml-openrail-m": set(),
        "bigscience-openrail-m": set(),
        "bigscience-bloom-rail-1.0": set(),
        "bigcode-openrail-m": set(),
        "deepseek": set(),
    },
    {
        "llama2": set(),
        "llama3": {"display_built_with", "name_prefix"},
        "llama3.1": {"display_built_with", "name_prefix"},
        "llama3.2": {"display_built_with", "name_prefix"},
        "llama3.3": {"display_built_with", "name_prefix"},
        "llama4": {"display_built_with", "name_prefix"},
    },
    {"gemma": set(), "health-ai-developer-foundations": set()},
    {"faipl-1.0": set(), "faipl-1.0-sd": {"use_restrictions"}},
    {"openmdw-1.0": set(), "openmdw-1.1": set()},
    {"tencent-hunyuan-community": set(), "tencent-hunyuan-3d-2.0-community": set()},
]


@pytest.mark.parametrize("family", SIBLINGS, ids=lambda family: next(iter(family)))
def test_siblings_set_the_same_duties_but_for_what_sets_them_apart(family: dict[str, set[str]]) -> None:
    own = {identifier: _duties(identifier) - apart for identifier, apart in family.items()}
    assert all(apart <= _duties(identifier) for identifier, apart in family.items())
    assert len(set(map(frozenset, own.values()))) == 1, own


def _duties(identifier: str) -> set[str]:
    entry = catalogue().get(identifier)
    assert entry is not None
    kinds = [str(duty.type) for duty in entry.obligations]
    assert len(set(kinds)) == len(kinds), identifier
    return set(kinds)
