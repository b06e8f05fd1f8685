"""Extras: each is declared, and a missing one is named with the command that installs it."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec

import pytest

from atlas_db.core import extras
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import EXTRAS, missing_package, require_extra
from tests.support.paths import ROOT


def test_every_extra_is_one_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert EXTRAS.keys() <= declared.keys()


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_installed_is_not_missing(extra: str) -> None:
    assert missing_package(extra) == ""
    require_extra(extra)


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    why = missing_package("probe")
    assert why.startswith("torch is not installed: pip install 'model-atlas-db[probe]'")
    assert "GB" in why and "--torch-backend cpu" in why
    with pytest.raises(UsageError, match="torch is not installed") as raised:
        require_extra("probe")
    assert "pip install" in raised.value.hint
