"""Tests of `atlas_db/core/settings.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import UsageError
from atlas_db.core.settings import cache_folder, default_home, load_settings, state_folder, user_config_file
from tests.support.malformed import MALFORMED_TOML


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


def test_folders_are_where_the_system_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = {kind: tmp_path / kind for kind in ("DATA", "CACHE", "STATE", "CONFIG")}
    for kind, folder in folders.items():
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(folder))
    home = load_settings(environ={}).home
    assert home == default_home() == folders["DATA"] / "atlas-db"
    assert cache_folder(home) == folders["CACHE"] / "atlas-db"
    assert state_folder(home) == folders["STATE"] / "atlas-db"
    assert (cache_folder(tmp_path), state_folder(tmp_path)) == (tmp_path / "cache", tmp_path)


def test_the_file_of_the_working_directory_wins_over_the_one_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    file = user_config_file()
    file.parent.mkdir(parents=True)
    file.write_text('heap = "3g"\nstore = "bolt://user"\n')
    assert load_settings(environ={}).heap == "3g"
    (tmp_path / "atlas-db.toml").write_text('store = "bolt://here"\n')
    found = load_settings(environ={})
    assert (found.store, found.heap) == ("bolt://here", "3g")


@pytest.mark.parametrize("body", MALFORMED_TOML.values(), ids=MALFORMED_TOML)
def test_a_file_that_is_no_settings_file_is_named(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "atlas-db.toml").write_bytes(body)
    with pytest.raises(UsageError, match="atlas-db.toml cannot be read") as caught:
        load_settings(environ={}, config=tmp_path / "atlas-db.toml")
    assert caught.value.hint == "Fix or remove the file"
