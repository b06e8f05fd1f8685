"""Tests of `atlas_db/core/settings.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import UsageError
from atlas_db.core.settings import load_settings


def test_settings_order(tmp_path: Path) -> None:
    config = tmp_path / "atlas-db.toml"
    config.write_text('store = "bolt://file"\nheap = "3g"\n')
    environ = {"ATLAS_DB_STORE": "bolt://env", "ATLAS_DB_HOME": str(tmp_path)}
    found = load_settings(environ=environ, config=config, store=None)
    assert (found.store, found.heap, found.home) == ("bolt://env", "3g", tmp_path)
    assert load_settings(environ=environ, config=config, store="local").store == "local"
    config.write_text("sotre = 'x'")
    with pytest.raises(UsageError, match="unknown key 'sotre'"):
        load_settings(environ={}, config=config)
    with pytest.raises(UsageError, match="no number"):
        load_settings(environ={"ATLAS_DB_BATCH_ROWS": "many"}, config=tmp_path / "none")
