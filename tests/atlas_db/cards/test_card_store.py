"""Tests of `atlas_db/cards/card_store.py`."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
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


def test_a_card_of_a_dataset_is_not_that_of_a_model_of_the_same_id(tmp_path: Path) -> None:
    for kind, date in ((RecordKind.MODEL, "2024-01-01"), (RecordKind.DATASET, "2024-01-02")):
        writer = CardWriter(tmp_path, f"load-{kind}", enabled=True)
        writer.add(HubRecord(kind, "a/twin", (), {}, {}, [], [], card=f"of the {kind}"), date)
        writer.close()
    assert list(newest_cards(tmp_path, ["a/twin"])) == [("a/twin", "of the model")]
    assert list(newest_cards(tmp_path, ["a/twin"], RecordKind.DATASET)) == [("a/twin", "of the dataset")]


def test_cards_of_a_file_without_kinds_are_of_models(tmp_path: Path) -> None:
    writer = CardWriter(tmp_path, "load-1", enabled=True)
    writer.add(HubRecord(RecordKind.MODEL, "a/a", (), {}, {}, [], [], card="new"), "2024-01-01")
    writer.close()
    table = pq.read_table(tmp_path / "load-1.parquet")
    pq.write_table(table.drop_columns("kind"), tmp_path / "load-1.parquet")
    assert list(newest_cards(tmp_path, ["a/a"])) == [("a/a", "new")]
    assert list(newest_cards(tmp_path, ["a/a"], RecordKind.DATASET)) == []
