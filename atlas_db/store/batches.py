"""Adaptive batches: they grow while the server is quick, and are halved where it runs out of memory or time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from atlas_db.core.errors import StoreRefusedError
from atlas_db.store.bolt import Store, Transaction

Item = TypeVar("Item")
SLOW_SECONDS = 4.0
QUICK_SECONDS = 1.0
MIN_ROWS = 50
MAX_ROWS = 20_000
_TOO_MUCH = ("MemoryPool", "OutOfMemory", "TransactionTimedOut", "TransientError.General")


class Batches:
    """Writes items in managed transactions of an adapting size.

    Attributes:
        rows: Current number of items per transaction.
    """

    def __init__(self, store: Store, rows: int) -> None:
        self._store = store
        self.rows = rows

    def run(
        self,
        items: Sequence[Item],
        work: Callable[[Transaction, Sequence[Item]], None],
        on_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Write all items, each in exactly one committed transaction.

        Args:
            items: Items to write.
            work: Writes one chunk; a retry calls it again for the same chunk.
            on_commit: Called once after each commit.

        Raises:
            StoreError: The store refuses even a small batch, or does not answer.
        """
        start = 0
        while start < len(items):
            chunk = items[start : start + self.rows]
            began = time.monotonic()
            try:
                self._store.write(partial(_run, work, chunk))
            except StoreRefusedError as error:
                if self.rows <= MIN_ROWS or not any(word in error.code for word in _TOO_MUCH):
                    raise
                self.rows = max(MIN_ROWS, min(self.rows, len(chunk)) // 2)
                continue
            on_commit()
            start += len(chunk)
            self._adapt(time.monotonic() - began, len(chunk))

    def _adapt(self, seconds: float, count: int) -> None:
        if seconds > SLOW_SECONDS:
            self.rows = max(MIN_ROWS, self.rows // 2)
        elif seconds < QUICK_SECONDS and count == self.rows:
            self.rows = min(MAX_ROWS, self.rows * 3 // 2)


def _run(work: Callable[[Transaction, Sequence[Item]], None], chunk: Sequence[Item], tx: Transaction) -> None:
    work(tx, chunk)
