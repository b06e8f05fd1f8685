"""Tests of `atlas_db/cli/store.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import ask


def test_doctor_and_store(home: Path) -> None:
    found = ask(home, "doctor")
    assert found["ok"], found
    assert ask(home, "store", "status")["running"]
    assert ask(home, "store", "stop")["stopped"]
    assert not ask(home, "store", "status")["running"]
    assert not ask(home, "store", "stop")["stopped"]
