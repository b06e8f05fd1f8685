"""Tests of `atlas_db/store/bolt_values.py`."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_db.core.errors import QueryParameterError
from atlas_db.store.bolt import Store
from atlas_db.store.bolt_values import require_sendable

MOST = 2**63


@pytest.mark.parametrize("value", [MOST, -MOST - 1, "\ud800", [1, [MOST]], {"a": {"b": MOST}}, {"\udfff": 1}])
def test_what_bolt_cannot_carry_is_refused_by_the_name_of_its_parameter(value: Any) -> None:
    with pytest.raises(QueryParameterError, match="the parameter x holds what no engine does"):
        require_sendable({"y": 1, "x": value})


@pytest.mark.contract
@pytest.mark.parametrize("value", [MOST - 1, -MOST, "\U0001f600", [1, None, True], {"a": 0.5}, True])
def test_what_it_can_carry_comes_back(store: Store, value: Any) -> None:
    _, rows = store.run_user_query("RETURN $x AS x", {"x": value})
    assert rows == [{"x": value}]
