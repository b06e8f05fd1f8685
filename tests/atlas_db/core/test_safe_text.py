"""Text for terminals and spreadsheets: nothing in it acts, and what is harmless stays as it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.safe_text import cut, shown, spreadsheet_cell, spreadsheet_row, visible, visible_json

ACTIVE = "".join(
    map(chr, [*range(9), *range(11, 32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A)])
)
"""Control characters but tab and line feed, other ends of lines, and marks of the direction of text."""


def test_control_characters_become_escapes() -> None:
    assert visible("a\x1b[31mb\r\x9b\u202e") == r"a\x1b[31mb\x0d\x9b\u202e"
    assert visible("tab\tand\nline, ünï, 模型, 🤗") == "tab\tand\nline, ünï, 模型, 🤗"


@given(st.text(alphabet=st.one_of(st.sampled_from(ACTIVE), st.characters(exclude_categories=["Cs"]))))
def test_nothing_that_acts_is_left(text: str) -> None:
    assert not set(ACTIVE) & set(visible(text))


@pytest.mark.slow
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_means_the_same_and_has_nothing_that_acts(value: object) -> None:
    text = visible_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    assert not set(ACTIVE) & set(text)


BEGINS = ["=1+1", "+a", "-a/b", "@a/b", "\ta/b", "\ra/b", "\na/b", "-", "+1 234", "＝1+1", "＋a", "－7", "＠a/b"]


@pytest.mark.parametrize("text", BEGINS)
def test_text_that_begins_a_formula_gets_an_apostrophe(text: str) -> None:
    assert spreadsheet_cell(text) == f"'{visible(text)}"


@pytest.mark.parametrize("value", ["a/b", "", "a=b", "-0.5", "+1e-3", "-7", ["=1"], -0.5, None, 3])
def test_other_cells_stay(value: object) -> None:
    assert spreadsheet_cell(value) == value


def test_every_cell_of_a_row_is_guarded() -> None:
    assert spreadsheet_row({"model": "=a/b", "hops": 2}) == {"model": "'=a/b", "hops": 2}


@pytest.mark.parametrize("value", ["a", "a" * 78, "a" * 79, "\n" * 60, "a" * 10**6, ["a" * 90], 10**90])
def test_a_value_in_a_message_is_short(value: object) -> None:
    found = shown(value)
    assert len(found) <= 80
    assert found == repr(value) or (found.endswith("...") and repr(value).startswith(found[:-3]))


def test_a_text_is_cut_where_it_is_too_long() -> None:
    assert (cut("a" * 80), cut("a" * 81)) == ("a" * 80, "a" * 77 + "...")


def test_a_value_that_is_nested_too_deeply_is_named() -> None:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    assert shown(value) == "a list that is nested too deeply"
