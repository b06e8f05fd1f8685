"""Tests of `gnn.models.memory.py`."""

from __future__ import annotations

import sys

import numpy as np
import psutil
import pytest

from gnn.models.memory import release_memory


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator of glibc")
def test_what_was_freed_goes_back_to_the_system() -> None:
    size = psutil.Process().memory_info
    # Small arrays lie in the allocator's heap. The last one keeps its end from shrinking by itself.
    many = [np.ones(2000) for _ in range(10_000)]
    kept = np.ones(2000)
    full = size().rss
    del many
    release_memory()
    assert full - size().rss > 100e6 and kept.sum() == 2000
