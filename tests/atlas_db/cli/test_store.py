"""Tests of `atlas_db/cli/store.py`."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import run_json


def test_doctor_and_store(home: Path) -> None:
    found = run_json(home, "doctor")
    assert found["ok"], found
    assert run_json(home, "store", "status")["running"]
    assert run_json(home, "store", "stop")["stopped"]
    assert not run_json(home, "store", "status")["running"]
    assert not run_json(home, "store", "stop")["stopped"]
