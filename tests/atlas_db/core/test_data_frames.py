"""Rows as data frames, and what is to be done where pandas is not there."""

from __future__ import annotations

import pytest

from atlas_db.core import extras
from atlas_db.core.data_frames import data_frame
from atlas_db.core.errors import UsageError


def test_columns_keep_their_order_and_missing_values_are_missing() -> None:
    frame = data_frame([{"b": 1, "a": "x"}, {"a": "y"}], ["a", "b"])
    assert frame.columns.to_list() == ["a", "b"]
    assert frame["a"].to_list() == ["x", "y"]
    assert frame["b"].isna().to_list() == [False, True]
    assert data_frame([], ["a"]).columns.to_list() == ["a"]


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="is not installed"):
        data_frame([], ["a"])
