"""Tests of `atlas_db/cli/progress.py`."""

from __future__ import annotations

import re
import time

import pytest

from atlas_db.cli.output import errors
from atlas_db.cli.progress import LOG_SECONDS, LogLines


def test_a_log_gets_lines_with_share_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    errors.cache_clear()
    with LogLines(0.02) as progress:
        progress.begin("load")
        time.sleep(0.05)
        progress("load", 25, 100)
        time.sleep(0.05)
        progress("count", 7, 0)
        time.sleep(0.05)
    lines = capsys.readouterr().err.splitlines()
    errors.cache_clear()
    assert lines[0] == "load, 0:00 passed"
    assert any(re.fullmatch(r"load: 25% \(25 of 100\), 0:0\d left, 0:0\d passed", line) for line in lines)
    assert any(line.startswith("count: 7, ") for line in lines)
    assert LOG_SECONDS <= 10


def test_short_work_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LogLines() as progress:
        progress("load", 1, 2)
    assert capsys.readouterr().err == ""
