"""Rows in every format: JSON, CSV, the first column alone, and a table for people."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from atlas_db.cli.output import Format, console, print_text, write_json, write_line, write_rows
from tests.support.command import ATLAS, environment
from tests.support.doc_examples import TERMINAL

COLUMNS = ("id", "count", "tags")
ROWS = [{"id": "a/b", "count": 12345, "tags": ["x", "y"]}, {"id": "[red]c/d[/red]", "count": None}]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "120", **TERMINAL}.items():
        monkeypatch.setenv(name, value)
    console.cache_clear()


def shown(capsys: pytest.CaptureFixture[str], form: Format) -> str:
    write_rows(COLUMNS, ROWS, form, "Models")
    return capsys.readouterr().out


def test_json_has_every_column_in_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(shown(capsys, Format.JSON)) == [
        {"id": "a/b", "count": 12345, "tags": ["x", "y"]}, {"id": "[red]c/d[/red]", "count": None, "tags": None},
    ]  # fmt: skip


def test_csv_is_read_back_and_lists_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(shown(capsys, Format.CSV))))
    assert rows[0] == {"id": "a/b", "count": "12345", "tags": '["x", "y"]'}
    assert rows[1] == {"id": "[red]c/d[/red]", "count": "", "tags": ""}


def test_quiet_is_the_first_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Format.QUIET) == "a/b\n[red]c/d[/red]\n"


def test_a_table_has_a_title_and_reads_no_markup_in_values(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, Format.HUMAN)
    assert "Models" in text and "12,345" in text and "x, y" in text
    assert "[red]c/d[/red]" in text, "a value is no style"
    assert "2 rows" in text


def test_json_keeps_letters_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "ünï"})
    assert "ünï" in capsys.readouterr().out


def test_a_table_in_a_pipe_is_as_wide_as_its_rows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TTY_COMPATIBLE")
    console.cache_clear()
    long = "owner/" + "n" * 300
    write_rows(("id", "n"), [{"id": long, "n": 12345}, {"id": "two\nlines", "n": None}], Format.HUMAN)
    assert capsys.readouterr().out == f"id\tn\n{long}\t12345\ntwo lines\t\n"
    console.cache_clear()


def test_lines_of_json_and_tabs_are_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, Format.JSONL).splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a/b", "[red]c/d[/red]"]
    rows = list(csv.reader(io.StringIO(shown(capsys, Format.TSV)), delimiter="\t"))
    assert rows[:2] == [["id", "count", "tags"], ["a/b", "12345", '["x", "y"]']]


ESCAPE = "owner/\x1b[2Jname\x9b"
"""An id with sequences that a terminal would obey."""


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.PARQUET])
def test_no_format_hands_a_terminal_control_sequences(capsys: pytest.CaptureFixture[str], form: Format) -> None:
    write_rows(("id",), [{"id": ESCAPE}], form, ESCAPE)
    text = capsys.readouterr().out
    assert "\x1b" not in text and "\x9b" not in text
    assert "x1b[2Jname" in text or "u001b[2Jname" in text


def test_lines_show_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    write_line(ESCAPE)
    print_text(ESCAPE, "bold")
    assert capsys.readouterr().out == "owner/\\x1b[2Jname\\x9b\n" * 2


def test_csv_cells_are_no_formulas_and_numbers_stay(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(("id", "change"), [{"id": "=a/b", "change": -0.5}], Format.CSV)
    assert capsys.readouterr().out == "id,change\n'=a/b,-0.5\n"


@pytest.mark.parametrize("form", [Format.CSV, Format.TSV])
def test_names_of_columns_are_guarded_as_cells_are(capsys: pytest.CaptureFixture[str], form: Format) -> None:
    write_rows(("=m", "\x1b[2J"), [{"=m": "a/b", "\x1b[2J": 1}], form)
    heads, values = csv.reader(io.StringIO(capsys.readouterr().out), delimiter="\t" if form is Format.TSV else ",")
    assert (heads, values) == (["'=m", "\\x1b[2J"], ["a/b", "1"])


def _on_a_terminal(home: Path, *words: str, **environ: str) -> str:
    """Run a command on a terminal of 24 lines, and return what it shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    env = {name: value for name, value in environment(home, TERM="xterm", **environ).items() if name not in TERMINAL}
    env |= {"TERM": "xterm"}
    with subprocess.Popen([*ATLAS, *words], stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, env=env) as process:
        os.close(slave)
        shown = bytearray()
        with contextlib.suppress(OSError):  # Linux: the end of a terminal is an error
            while part := os.read(master, 4096):
                shown += part
    os.close(master)
    assert process.returncode == 0
    return shown.decode()


@pytest.mark.slow
def test_a_terminal_gets_a_table_in_the_pager_and_colours_if_wanted(tmp_path: Path) -> None:
    paged = _on_a_terminal(tmp_path, "licenses", PAGER="sed s/^/PAGED:/")
    assert paged.count("PAGED:") > 40 and "┃" in paged
    short = _on_a_terminal(tmp_path, "licenses", "mit", PAGER="sed s/^/PAGED:/")
    assert "PAGED:" not in short and "\x1b[1m" in short
    assert "\x1b[3" not in _on_a_terminal(tmp_path, "licenses", "mit", NO_COLOR="1")
