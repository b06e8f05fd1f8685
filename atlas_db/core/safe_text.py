"""Text that is safe where it is opened: no control sequences for a terminal, no formulas, and messages stay short."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, other ends of lines, and marks that turn the direction of text."""
_FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""OWASP's list ("CSV Injection"): four signs, the same in full width, tab, and ends of lines."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
MAX_SHOWN = 80
"""Characters of a foreign value in a message, at most."""


def visible(text: str) -> str:
    """Return text with control characters as escapes, ESC as backslash, x, 1b; tabs and line feeds stay."""
    return _UNSEEN.sub(lambda found: _escape(found[0], r"\x{:02x}"), text)


def visible_json(text: str) -> str:
    """Return JSON text with the control characters that JSON allows as escapes of JSON's own; its value is equal."""
    return _UNSEEN.sub(lambda found: _escape(found[0], r"\u{:04x}"), text)


def _escape(character: str, form: str) -> str:
    return (form if ord(character) < 256 else r"\u{:04x}").format(ord(character))


def cut(text: str) -> str:
    """Return a text as a message shows it, in at most 80 characters."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def shown(value: object) -> str:
    """Return a value as a message shows it, in at most 80 characters, a text in quotation marks."""
    # Of a long text only the beginning is written with its marks, so that the rest costs no time.
    try:
        return cut(repr(value[: MAX_SHOWN + 1] if isinstance(value, str) else value))
    except RecursionError:
        return f"a {type(value).__name__} that is nested too deeply"


def spreadsheet_cell(value: Any) -> Any:  # noqa: ANN401
    """Return a value for a CSV cell: text that a spreadsheet would take for a formula gets an apostrophe before it.

    A formula begins with `=`, `+`, `-` or `@`, also in full width, or with a tab or the end of a line. Numbers stay.
    """
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else shown


def spreadsheet_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with each value as `spreadsheet_cell` gives it."""
    return {column: spreadsheet_cell(value) for column, value in row.items()}
