"""Time and memory of a stage: what runs in the block is measured, children included."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.pipeline.resources import ResourceMeter


@pytest.mark.slow
def test_time_and_memory_of_a_block_are_measured(tmp_path: Path) -> None:
    with ResourceMeter(Settings(home=tmp_path)) as meter:
        held = bytearray(b"x" * 64 * 2**20)
        time.sleep(0.3)
    assert len(held) < meter.memory
    assert 0.3 <= meter.seconds < 30
    assert meter.engine is None, "no engine runs"


@pytest.mark.slow
def test_children_are_counted_too(tmp_path: Path) -> None:
    with ResourceMeter(Settings(home=tmp_path, store="bolt://127.0.0.1:9")) as alone:
        time.sleep(0.2)
    hold = "held = bytearray(b'x' * 200 * 2**20); print(flush=True); input()"
    with (
        ResourceMeter(Settings(home=tmp_path)) as meter,
        subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
    ):
        assert child.stdout is not None and child.stdin is not None
        child.stdout.readline()
        time.sleep(0.4)
        child.stdin.close()
    assert meter.memory > alone.memory + 150 * 2**20
