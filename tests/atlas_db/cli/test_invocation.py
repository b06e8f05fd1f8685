"""Commands are printed as the user's shell can run them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from atlas_db.cli.invocation import command, program


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in the folder of a running interpreter, on no search path."""
    file = tmp_path / "an env" / "bin" / "atlas-db"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(file.with_name("python")))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("UV", raising=False)
    return file


def test_the_name_alone_where_the_shell_finds_this_script(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "atlas-db"


def test_the_path_where_the_script_is_only_on_the_search_path_of_uv(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setenv("UV", "/usr/bin/uv")
    assert shlex.split(program()) == [str(script)]
    monkeypatch.chdir(script.parents[1])
    assert program() == "bin/atlas-db"


def test_the_path_where_the_shell_finds_another(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "atlas-db"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shlex.split(program()) == [str(script)]


def test_the_module_where_there_is_no_script(script: Path) -> None:
    script.unlink()
    assert shlex.split(command("query", "a b")) == [sys.executable, "-m", "atlas_db", "query", "a b"]
