"""What rich prints reaches the terminal without control characters of its own; its styles do."""

from __future__ import annotations

import pytest
from rich.text import Text
from rich.tree import Tree

from atlas_db.cli.guarded_console import guarded_console

ESCAPE = "owner/\x1b[2Jname\x9b"
"""An id with sequences that a terminal would obey."""
SHOWN = r"owner/\x1b[2Jname\x9b"


def test_texts_trees_and_messages_show_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    tree = Tree(Text(ESCAPE))
    tree.add(Text(ESCAPE))
    guarded_console(width=120).print(tree)
    guarded_console(stderr=True).print(f"Error: {ESCAPE}", markup=False, style="red")
    out, err = capsys.readouterr()
    assert (out.count(SHOWN), err) == (2, f"Error: {SHOWN}\n")
    assert not {"\x1b", "\x9b"} & {*out, *err}


def test_styles_still_reach_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    guarded_console().print(Text("fine", style="bold"))
    assert capsys.readouterr().out == "\x1b[1mfine\x1b[0m\n"
