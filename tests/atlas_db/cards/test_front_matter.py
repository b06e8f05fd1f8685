"""Tests of `atlas_db/cards/front_matter.py`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.cards.front_matter import parse_card


@pytest.mark.parametrize(
    ("text", "data", "broken"),
    [
        ("---\nlicense: mit\n---\n# Hi", {"license": "mit"}, False),
        ("---\r\nlanguage: no\r\n---\r\ntext", {"language": "no"}, False),
        ("\ufeff---\nlanguage:\n- no\n- yes\n---\n", {"language": ["no", "yes"]}, False),
        ("---\nx: 2024-01-01\n---\n", {"x": "2024-01-01"}, False),
        ("---\nlicense: [mit\n---\n", {}, True),
        ("---\n- a\n- b\n---\n", {}, True),
        ("---\na: &x [1]\nb: *x\n---\n", {}, True),
        ("---\n\tlicense: mit\n---\n", {"license": "mit"}, False),
        ("---\n---\nbody", {}, False),
        ("# no front matter", {}, False),
        ("", {}, False),
        ("---\nnever closed: true", {}, False),
    ],
)
def test_front_matter(text: str, data: dict[str, Any], broken: bool) -> None:
    card = parse_card(text)
    assert card.data == data
    assert bool(card.problem) == broken


@given(st.text(alphabet=st.sampled_from("---\n\r: &*[]{}'\"!#|>abc\t0"), max_size=80))
def test_no_card_breaks_the_reader(text: str) -> None:
    card = parse_card("---\n" + text)
    assert card.length >= 0
    assert len(card.sha256) == 64
