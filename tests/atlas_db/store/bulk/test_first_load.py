"""Tests of `atlas_db/store/bulk/first_load.py`: the mark of a first load, while it goes on and after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import StoreLockedError
from atlas_db.store.bulk.first_load import first_load, is_cut_off, remove_cut_off


def test_a_first_load_that_is_through_leaves_no_mark(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with first_load(tmp_path):
        assert not is_cut_off(tmp_path), "it goes on"
        with pytest.raises(StoreLockedError), first_load(tmp_path):
            pass
    assert not is_cut_off(tmp_path)
    remove_cut_off(tmp_path, data)
    assert data.is_dir()


def test_what_a_first_load_left_that_was_cut_off_is_removed_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "atlas").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt), first_load(tmp_path):
        raise KeyboardInterrupt
    assert is_cut_off(tmp_path)
    remove_cut_off(tmp_path, data)
    assert not data.exists()
    assert not is_cut_off(tmp_path)
    data.mkdir()
    remove_cut_off(tmp_path, data)
    assert data.is_dir()
