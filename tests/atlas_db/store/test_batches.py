"""Batches: every item is sent once, their size adapts, and what a smaller batch doesn't mend is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from atlas_db.core.errors import StoreRefusedError
from atlas_db.store import batches
from atlas_db.store.batches import MAX_ROWS, MIN_ROWS, Batches


class Limited:
    """A store that takes no more than some items a transaction."""

    def __init__(self, most: int, code: str = "Neo.TransientError.General.OutOfMemoryError") -> None:
        self.most, self.code = most, code
        self.sent: list[int] = []
        self.sizes: list[int] = []

    def write(self, work: Callable[[Any], None]) -> None:
        work(self)

    def send(self, chunk: list[int]) -> None:
        if len(chunk) > self.most:
            raise StoreRefusedError("too much", code=self.code)
        self.sizes.append(len(chunk))
        self.sent += chunk


def sent_by(store: Limited, rows: int, count: int) -> Batches:
    made = Batches(store, rows)  # type: ignore[arg-type]
    made.run(range(count), lambda tx, chunk: tx.send(list(chunk)))  # type: ignore[attr-defined]
    return made


def test_each_item_is_sent_once_in_order() -> None:
    store = Limited(10**6)
    assert sent_by(store, 100, 1234).rows > 100, "what goes quickly grows"
    assert store.sent == list(range(1234))
    assert sent_by(Limited(10**6), MAX_ROWS, 5 * MAX_ROWS).rows == MAX_ROWS


def test_a_batch_that_is_too_much_is_halved() -> None:
    store = Limited(130)
    sent_by(store, 1000, 2000)
    assert store.sent == list(range(2000))
    assert max(store.sizes) <= 130


def test_even_a_small_batch_that_is_too_much_is_an_error() -> None:
    store = Limited(MIN_ROWS - 1)
    with pytest.raises(StoreRefusedError):
        sent_by(store, 1000, 2000)
    assert store.sent == []


def test_another_refusal_is_an_error_at_once() -> None:
    store = Limited(10, "Neo.ClientError.Statement.SyntaxError")
    with pytest.raises(StoreRefusedError):
        sent_by(store, 1000, 2000)


def test_slow_batches_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10**6, 5))
    monkeypatch.setattr(batches.time, "monotonic", lambda: next(now))
    assert sent_by(Limited(10**6), 400, 1500).rows == MIN_ROWS
