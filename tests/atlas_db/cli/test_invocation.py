"""Commands are printed as the user's shell can run them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from atlas_db.cli.invocation import VERBS, as_typed, command, on_store, program
from tests.support.command import run


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


def test_commands_in_a_text_are_written_as_typed(script: Path) -> None:
    text = "Make it: atlas-db load FILE, or run atlas-db demo; model-atlas-db and the release of atlas-db that wrote it"
    typed = shlex.quote(str(script))
    assert as_typed(text) == text.replace("atlas-db load", f"{typed} load").replace("atlas-db demo", f"{typed} demo")
    assert all(as_typed(f"atlas-db {verb}") == f"{typed} {verb}" for verb in VERBS)


def test_a_text_stays_where_the_shell_finds_the_script(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert as_typed("See atlas-db doctor") == "See atlas-db doctor"


def test_a_store_is_named_where_the_variable_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATLAS_DB_STORE", "demo")
    assert on_store("demo") == on_store(None) == ()
    assert on_store("local:/a b") == ("--store", "local:/a b")
    assert command("status", *on_store("local:/a b")).endswith("status --store 'local:/a b'")


def test_the_hint_of_an_error_can_be_typed_where_the_script_is_on_no_search_path(tmp_path: Path) -> None:
    shown = run(tmp_path, "chart", str(tmp_path / "none.parquet"), code=3, PATH="/nowhere").stderr
    words = shlex.split(shown.partition("Make it:")[2])
    assert Path(words[0]).samefile(Path(sys.executable).with_name("atlas-db"))
    assert words[1] == "fingerprint"
