"""Items of arrays: those that a JSON reader finds, however the file is cut into blocks."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.errors import RecordError
from ingest.hub.array_items import array_items

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\\\[]{},: \n\u00e9', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet='a"}]', max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


class Dripping(io.BytesIO):
    """Gives three bytes at a time, however many are asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(3)


@pytest.mark.slow
@given(st.lists(VALUES, max_size=6), st.integers(1, 20), st.sampled_from([None, 1]))
def test_items_are_those_of_a_json_reader(values: list[object], cut: int, indent: int | None) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=False).encode()
    found = list(array_items(body[:cut], Dripping(body[cut:]), 1000))
    assert [json.loads(text) for _, text in found] == values
    assert [number for number, _ in found] == list(range(1, len(values) + 1))


def test_an_item_beyond_the_limit_comes_as_its_beginning() -> None:
    body = b'[{"a": 1}, {"b": [' + b"[1], " * 100 + b'2], "c": {}}, {"d": 4}]'
    found = list(array_items(body[:20], Dripping(body[20:]), 50))
    assert [text for _, text in found][::2] == [b'{"a": 1}', b'{"d": 4}']
    assert len(found[1][1]) > 50 and found[1][1].startswith(b'{"b": [[1], [1')


@pytest.mark.parametrize("levels", [1, 500, 5000])
def test_depth_has_no_bound(levels: int) -> None:
    item = b"[" * levels + b"]" * levels
    assert list(array_items(b"[" + item + b"]", io.BytesIO(), 10**6)) == [(1, item)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[", "damaged after item 0"), (b"[1, 2", "damaged after item 0"), (b'[{}, {"a": "b}]', "damaged after item 1"),
        (b"[{}] x", "text follows"), (b"[{}][", "text follows"),
    ],
)  # fmt: skip
def test_what_is_no_array_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(RecordError, match=reason) as raised:
        list(array_items(body, io.BytesIO(), 100))
    assert raised.value.code == "not_json"


def test_a_string_without_end_is_no_array() -> None:
    with pytest.raises(RecordError, match="damaged after item 0"):
        list(array_items(b'["', io.BytesIO(b"x" * 10**6), 100))
