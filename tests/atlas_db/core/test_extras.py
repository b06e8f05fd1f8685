"""Extras: each is declared, and a missing one is named with the command that installs it."""

from __future__ import annotations

import importlib.metadata
import json
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from atlas_db.columnar.typed_columns import data_frame
from atlas_db.core import extras
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import EXTRAS, install_command, missing_package, require_extra
from tests.support.paths import ROOT


def test_every_extra_is_one_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert EXTRAS.keys() <= declared.keys()


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_installed_is_not_missing(extra: str) -> None:
    assert missing_package(extra) == ""
    require_extra(extra)


class Metadata:
    """Metadata of an installation, with the file that PEP 610 asks for."""

    def __init__(self, direct: dict | None) -> None:
        self.direct = direct

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.direct and json.dumps(self.direct)


def install(monkeypatch: pytest.MonkeyPatch, direct: dict | None, prefix: Path, *present: str) -> None:
    """Pretend that the package was installed from somewhere into `prefix`, with some modules."""
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Metadata(direct))
    monkeypatch.setattr(extras, "find_spec", lambda name: name in present or None)
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", "/env/bin/python")
    monkeypatch.delenv("UV", raising=False)


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    why = missing_package("probe")
    assert why.startswith("torch is not installed: ") and "--extra probe" in why
    assert "GB" in why and "--torch-backend cpu" in why
    with pytest.raises(UsageError, match="torch is not installed") as raised:
        require_extra("probe")
    assert "--extra probe" in raised.value.hint


def test_a_checkout_is_synchronised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "uv.lock").touch()
    install(monkeypatch, {"url": tmp_path.as_uri(), "dir_info": {"editable": True}}, tmp_path)
    assert install_command("gnn") == f"uv sync --project {tmp_path} --frozen --inexact --extra gnn"
    assert install_command("gnn", cpu=True) == (
        f"uv pip install --python /env/bin/python --torch-backend cpu -e '{tmp_path}[gnn]'"
    )


def test_a_tool_of_uv_is_installed_again_with_the_extras_that_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / extras.RECEIPT).touch()
    wheel = {"url": "file:///some/place/model_atlas_db-9-py3-none-any.whl", "archive_info": {}}
    install(monkeypatch, wheel, tmp_path, *EXTRAS["analysis"])
    assert install_command("py2neo") == (
        "uv tool install '/some/place/model_atlas_db-9-py3-none-any.whl[analysis,py2neo]'"
    )
    monkeypatch.setenv("UV", "/opt/my uv")
    assert install_command("py2neo").startswith("'/opt/my uv' tool install ")


def test_an_environment_with_pip_uses_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch, {"url": "file:///with%20space/atlas", "dir_info": {}}, tmp_path, "pip")
    assert install_command("analysis") == "/env/bin/python -m pip install '/with space/atlas[analysis]'"
    install(monkeypatch, {"url": "https://example.org/a.whl"}, tmp_path)
    assert install_command("analysis") == (
        "uv pip install --python /env/bin/python 'model-atlas-db[analysis] @ https://example.org/a.whl'"
    )
    install(monkeypatch, None, tmp_path)
    assert install_command("analysis").endswith(" 'model-atlas-db[analysis]'")


def test_columns_keep_their_order_and_missing_values_are_missing() -> None:
    frame = data_frame([{"b": 1, "a": "x"}, {"a": "y"}], ["a", "b"])
    assert frame.columns.to_list() == ["a", "b"]
    assert frame["a"].to_list() == ["x", "y"]
    assert frame["b"].isna().to_list() == [False, True]
    assert data_frame([], ["a"]).columns.to_list() == ["a"]


def test_a_frame_without_pandas_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="is not installed"):
        data_frame([], ["a"])
