"""Tests of `atlas_db/cards/card_store.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.cards.card_store import CardWriter, newest_cards
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("123"), st.text("xy", max_size=2)), max_size=6),
        max_size=4,
    )
)
def test_the_newest_card_is_found_in_any_order_of_loads(
    tmp_path_factory: pytest.TempPathFactory, loads: list[list[tuple[str, str, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("cards")
    for number, rows in enumerate(loads):
        file = CardWriter(folder, f"load-{number}", enabled=True)
        for name, date, text in rows:
            file.add(HubRecord(RecordKind.MODEL, name, (), {}, {}, [], [], card=text), f"2024-01-0{date}")
        file.close()
    newest = {
        name: max((d, t) for load in loads for n, d, t in load if n == name)[1] for load in loads for name, _, _ in load
    }
    found = list(newest_cards(folder, ["a", "b", "z"]))
    assert len(found) == len(dict(found))
    assert dict(found) == {name: text for name, text in newest.items() if name in "ab"}
