"""Tests of `atlas_db/core/cpu.py`."""

from __future__ import annotations

import os

import pytest

from atlas_db.core.cpu import available_cores


def test_cores_are_counted_where_processes_have_no_set_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_cores() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1
