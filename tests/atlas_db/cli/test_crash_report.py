"""A fault ends a command with its own exit code, a short message and a report, whatever the fault is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import typer

from atlas_db.cli.crash_report import CrashReport
from atlas_db.cli.output import errors


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATLAS_DB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["atlas-db", "audit", "a b"])
    errors.cache_clear()
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (KeyError("x"), "KeyError: 'x'"), (MemoryError(), "MemoryError"), (RecursionError("deep"), "RecursionError: deep"),
        (ValueError("\x1b[2J first\nsecond"), r"ValueError: \x1b[2J first"),
    ],
)  # fmt: skip
def test_a_fault_has_its_exit_code_a_message_and_a_report(
    error: Exception, shown: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, CrashReport():
        raise error
    assert ended.value.code == 70
    out, err = capsys.readouterr()
    assert out == "" and f"has a fault ({shown})." in err and "Traceback" not in err
    (file,) = (home / "crashes").iterdir()
    assert str(file) in err and file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "Traceback" in text and "test_crash_report.py" in text and "atlas-db audit 'a b'" in text
    assert re.match(r"atlas-db \S+, Python 3\.\d+\.\d+, ", text)


def test_where_no_report_can_be_written_the_trace_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.write_text("a file, not a folder")
    with pytest.raises(SystemExit) as ended, CrashReport():
        raise KeyError("x")
    assert ended.value.code == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("end", [SystemExit(3), KeyboardInterrupt()])
def test_exits_and_interruptions_pass(end: BaseException, home: Path) -> None:
    with pytest.raises(type(end)), CrashReport():
        raise end
    assert not home.exists()


def test_a_fault_of_a_verb_reaches_the_report(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def broken() -> None:
        raise LookupError("nowhere")

    with pytest.raises(SystemExit) as ended, CrashReport():
        app([])
    assert ended.value.code == 70
    assert "LookupError: nowhere" in capsys.readouterr().err
