"""Output: tables for readers, or one of the formats, on standard output; progress and errors on standard error."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from atlas_db.core.errors import UsageError
from atlas_db.core.safe_text import spreadsheet_cell, visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


UNLIMITED_WIDTH = 10_000
"""Width of a line that goes to a file or a pipe, in characters."""


@cache
def console() -> Console:
    """Return the console of standard output. rich is imported here, as it is slow and --help must be fast."""
    from atlas_db.cli.guarded_console import guarded_console

    found = guarded_console()
    # A file or a pipe has no width: text that is cut into lines there can't be searched.
    return found if found.is_terminal else guarded_console(width=UNLIMITED_WIDTH)


@cache
def errors() -> Console:
    """Return the console of standard error."""
    from atlas_db.cli.guarded_console import guarded_console

    return guarded_console(stderr=True)


class Format(StrEnum):
    """Output formats."""

    HUMAN = "human"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    QUIET = "quiet"

    @property
    def is_rows(self) -> bool:
        """True for a format that only holds rows."""
        return self in (Format.JSONL, Format.CSV, Format.TSV, Format.PARQUET)


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
    """Print rows: as a JSON list or lines, CSV, TSV, Parquet, the first column only (quiet), or a table.

    Raises:
        UsageError: Parquet, which is bytes, would go to a terminal.
    """
    match form:
        case Format.JSON:
            write_json([{column: row.get(column) for column in columns} for row in rows])
        case Format.JSONL:
            for row in rows:
                values = {column: row.get(column) for column in columns}
                sys.stdout.write(visible_json(json.dumps(values, ensure_ascii=False, default=str)) + "\n")
        case Format.CSV | Format.TSV:
            writer = csv.writer(sys.stdout, delimiter="\t" if form is Format.TSV else ",", lineterminator="\n")
            writer.writerow(map(_csv_cell, columns))
            writer.writerows([[_csv_cell(row.get(column)) for column in columns] for row in rows])
        case Format.PARQUET:
            _write_parquet(columns, rows)
        case Format.QUIET:
            for row in rows:
                write_line(_cell(row.get(columns[0])) if columns else "")
        case _:
            draw(columns, rows, title)


def _write_parquet(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    if sys.stdout.isatty():
        raise UsageError("Parquet is no text for a terminal", hint="Send it to a file: add > rows.parquet")
    from atlas_db.columnar.typed_columns import rows_table
    from atlas_db.export.table_files import write_parquet

    table = rows_table(columns, rows)
    sys.stdout.flush()
    write_parquet(sys.stdout.buffer, table.schema, table.to_batches())


def draw(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Print a table for readers; to a file or a pipe plain rows, with tabs between values that are not rounded."""
    if not console().is_terminal:
        for line in ([title] if title else []) + ["\t".join(columns)]:
            write_line(line)
        for row in rows:
            write_line("\t".join(" ".join(_cell(row.get(column)).split()) for column in columns))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", header_style="bold", expand=False)
    for column in columns:
        numbers = bool(rows) and all(isinstance(row.get(column), int | float | None) for row in rows)
        table.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    with paged(len(rows) + 6):
        console().print(table)
        print_text(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", "dim")


@contextmanager
def paged(lines: int) -> Iterator[None]:
    """Show what is printed in the user's pager, where it has more lines than the terminal (PAGER; `cat` for none)."""
    if not (sys.stdout.isatty() and sys.stdin.isatty() and lines > console().height):
        yield
        return
    # As git has it: leave at once where all fits on one screen, show colours, keep the text on the screen.
    os.environ.setdefault("LESS", "FRX")
    with console().pager(styles=console().color_system is not None):
        yield


def drop_output() -> None:
    """Drop what else would be written to standard output: whoever read it has gone."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


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
    """Return a progress display on standard error, which is a terminal."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=errors(),
        transient=True,
    )
