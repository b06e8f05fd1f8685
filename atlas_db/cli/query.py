"""`atlas-db query`: shipped queries by name, or the user's own Cypher."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, opened, settings_for
from atlas_db.cli.output import Format, write_rows
from atlas_db.core.errors import QueryParameterError, UsageError

HELP = """Run a shipped query, or your own Cypher.

Your own Cypher is read from standard input (-) or a .cypher file.
Without a name, the shipped queries are listed. Your own Cypher is refused if it writes, unless you add --write.

Examples:

  atlas-db query

  atlas-db query ancestors --param model=TheBloke/Mistral-7B-v0.1-GGUF

  atlas-db query licenses --format csv

  echo 'MATCH (m:Model) RETURN count(m) AS models' | atlas-db query -
"""


@guarded
def query(
    name: Annotated[
        str, typer.Argument(help="Name of a shipped query, a .cypher file, or -.", show_default=False)
    ] = "",
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE; repeatable.")] = None,
    store: StoreOption = None,
    write: Annotated[bool, typer.Option("--write", help="Allow your own Cypher to write.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the Cypher of a shipped query instead.")] = False,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Run a query."""
    from cypher import query_library

    given = dict(_pair(text) for text in param or [])
    if not name:
        rows = [
            {
                "name": each.name,
                "topic": each.topic,
                "title": each.title,
                "parameters": " ".join(p.name if p.default is None else f"[{p.name}]" for p in each.parameters),
            }
            for each in query_library.queries().values()
        ]
        write_rows(("name", "topic", "title", "parameters"), rows, form)
        return
    if name == "-" or name.endswith(".cypher"):
        text = _read_cypher(name)
        bound = {key: _parse_value(value) for key, value in given.items()}
        with opened(settings_for(store)) as graph:
            columns, rows = graph.run_user_query(text, bound, write=write)
    else:
        found = query_library.find_query(name)
        if show:
            typer.echo(found.text)
            return
        found.bind(given)
        with opened(settings_for(store)) as graph:
            columns, rows = list(found.columns), query_library.run_query(graph, name, given)[1]
    write_rows(columns, rows, form)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise QueryParameterError(f"--param {text!r} is no NAME=VALUE", hint="Write it as --param model=owner/name")
    return name, value


def _read_cypher(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{name} cannot be read ({error.strerror})", hint="Check the path") from error


def _parse_value(text: str) -> object:
    """Return a parameter of the user's own Cypher: a number or boolean where it is one, else a string."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
