"""Tests of `atlas_db/store/garbage_collection.py`: what was set before is set after."""

from __future__ import annotations

import gc
import sys

import pytest

from atlas_db.store.garbage_collection import gc_tuned, paused_gc


def test_the_collector_pauses_until_the_last_reader_is_through() -> None:
    assert gc.isenabled()
    with paused_gc():
        with pytest.raises(ValueError, match="a reader"), paused_gc():
            raise ValueError("a reader")
        assert not gc.isenabled()
    assert gc.isenabled()


def test_tuning_ends_with_an_exception_too() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    with pytest.raises(ValueError, match="a load"), gc_tuned():
        assert (gc.get_threshold(), sys.getswitchinterval()) != before
        raise ValueError("a load")
    assert (gc.get_threshold(), sys.getswitchinterval()) == before
