"""Output: human, JSON, quiet or CSV on standard output; progress and errors on standard error."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from atlas_db.core.safe_text import spreadsheet_cell, visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


UNLIMITED_WIDTH = 10_000
"""Width of a table that goes to a file or a pipe, in characters."""


@cache
def console() -> Console:
    """Return the console of standard output. rich is imported here, as it is slow and --help must be fast."""
    from atlas_db.cli.guarded_console import guarded_console

    # A file or a pipe has no width: text that is cut into lines there can't be searched.
    return guarded_console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else UNLIMITED_WIDTH)


@cache
def errors() -> Console:
    """Return the console of standard error."""
    from atlas_db.cli.guarded_console import guarded_console

    return guarded_console(stderr=True)


class Format(StrEnum):
    """Output formats."""

    HUMAN = "human"
    JSON = "json"
    QUIET = "quiet"
    CSV = "csv"


def write_json(value: object) -> None:
    """Print a JSON value and a newline."""
    sys.stdout.write(visible_json(json.dumps(value, ensure_ascii=False, indent=2, default=str)) + "\n")


def write_line(text: str) -> None:
    """Print one plain line."""
    sys.stdout.write(visible(text) + "\n")


def print_text(text: str = "", style: str = "") -> None:
    """Print a line for readers in a style; markup in it is not interpreted."""
    from rich.text import Text

    console().print(Text(text, style=style), soft_wrap=True)


def write_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], form: Format, title: str = "") -> None:
    """Print rows as JSON, as CSV, as the first column only (quiet), or as a table."""
    if form is Format.JSON:
        write_json([{column: row.get(column) for column in columns} for row in rows])
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[_csv_cell(row.get(column)) for column in columns] for row in rows])
    elif form is Format.QUIET:
        for row in rows:
            write_line(_cell(row.get(columns[0])) if columns else "")
    else:
        draw(columns, rows, title)


def draw(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print a table for readers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        numbers = bool(rows) and all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    console().print(table)
    print_text(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", "dim")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _csv_cell(value: object) -> object:
    return spreadsheet_cell(value) if isinstance(value, str) else _cell(value)


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.4g}"
        case list():
            return ", ".join(_shown(entry) for entry in value)
        case _:
            return _cell(value)


def progress_bar() -> Progress:
    """Return a progress display on standard error; it is disabled where that is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors(),
        transient=True,
        disable=not errors().is_terminal,
    )
