"""Waiting for what happens in another process."""

from __future__ import annotations

import time
from typing import Any

from atlas_db.store.statements import Statement

COUNT = Statement("MATCH (m:Model) RETURN count(m) AS n")


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)
