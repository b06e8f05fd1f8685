"""`atlas-db query`: shipped queries by name, or the user's own Cypher."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, opened, settings_for
from atlas_db.cli.invocation import as_typed
from atlas_db.cli.output import Format, errors, print_text, write_rows
from atlas_db.cli.values import query_names, query_parameters
from atlas_db.core.errors import QueryParameterError, UsageError

if TYPE_CHECKING:
    from atlas_db.store.bolt import Row, Store

HELP = """Run a shipped query, or your own Cypher.

Your own Cypher is an argument with spaces in it, a .cypher file, or standard input (-).
Without an argument, the shipped queries are listed. Your own Cypher is refused if it writes, unless you add --write.

Examples:

  atlas-db query

  atlas-db query ancestors --param model=TheBloke/Mistral-7B-v0.1-GGUF

  atlas-db query licenses --format csv

  atlas-db query 'MATCH (m:Model) RETURN count(m) AS models'

  atlas-db query 'MATCH (m:Model) RETURN m.id, m.created_at' --format parquet > models.parquet
"""
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", help="NAME=VALUE; repeatable.", autocompletion=query_parameters),
]


@guarded
def query(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a shipped query, Cypher, a .cypher file, or -.",
            show_default=False,
            autocompletion=query_names,
        ),
    ] = "",
    param: ParamOption = None,
    store: StoreOption = None,
    write: Annotated[bool, typer.Option("--write", help="Allow your own Cypher to write.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the Cypher of a shipped query instead.")] = False,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Run a query."""
    from atlas_db.store.contents import empty_store_error, is_empty
    from cypher import query_library

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
    if show and not _is_cypher(name):
        print_text(query_library.find_query(name).text)
        return
    if not _is_cypher(name):
        query_library.find_query(name).bind(dict(map(_pair, param or [])))
    with opened(settings_for(store)) as graph:
        _, columns, rows = run_any(graph, name, param, write=write)
        if not rows and is_empty(graph):
            empty = empty_store_error(graph.name)
            errors().print(f"Note: {empty.message}. {as_typed(empty.hint)}", markup=False, soft_wrap=True)
    write_rows(columns, rows, form)


def _is_cypher(name: str) -> bool:
    """Whether an argument is Cypher, or the place of Cypher: no shipped query has a space in its name."""
    return name == "-" or name.endswith(".cypher") or any(character.isspace() for character in name)


def run_any(
    graph: Store, name: str, param: list[str] | None, *, write: bool = False
) -> tuple[dict[str, Any], list[str], list[Row]]:
    """Run a shipped query by name, or the user's own Cypher.

    Args:
        graph: The store.
        name: Name of a shipped query, Cypher, a .cypher file, or - for standard input.
        param: Parameters, each NAME=VALUE.
        write: True where the user's own Cypher may write.

    Returns:
        The parameters, the names of the columns, and the rows.

    Raises:
        UsageError: A parameter or the Cypher is wrong, or there is no such query or file.
    """
    from cypher import query_library

    given = dict(map(_pair, param or []))
    if not _is_cypher(name):
        found, rows = query_library.run_query(graph, name, given)
        return dict(given), list(found.columns), rows
    bound = {key: _parse_value(value) for key, value in given.items()}
    return bound, *graph.run_user_query(_read_cypher(name), bound, write=write)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise QueryParameterError(f"--param {text!r} is no NAME=VALUE", hint="Write it as --param model=owner/name")
    return name, value


def _read_cypher(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    if not name.endswith(".cypher"):
        return name
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
