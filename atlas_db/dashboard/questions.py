"""Questions in the browser: shipped queries as forms, the user's own Cypher, and the answer as table and picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atlas_db.core.errors import AtlasError
from atlas_db.dashboard import figures
from atlas_db.store.bolt import Row, Store
from cypher.query_library import TOPICS, Query, find_query, queries, run_query

MAX_ROWS = 1000
"""Rows of an answer on a page, at most."""
MAX_BARS = 30
"""Rows that are drawn as bars, at most."""
Page = dict[str, Any]


_IDS_OF = {
    "authors": "authors",
    **dict.fromkeys(("datasets", "languages", "libraries", "licenses", "papers", "runs", "tasks")),
}
"""What the column `id` of an answer holds, where it is not models: authors, or what has no page."""


def questions_page() -> Page:
    """Return the shipped queries by topic."""
    listed = [_described(query) for query in queries().values()]
    return {"topics": {topic: [each for each in listed if each["topic"] == topic] for topic in TOPICS}}


def question_page(store: Store, name: str, given: Mapping[str, str], *, run: bool = True) -> Page:
    """Return a shipped query as a form, and its answer where all that it needs is given.

    Args:
        store: The store.
        name: Name of the query.
        given: Parameters as texts; empty ones count as not given.
        run: Whether it is answered, too.

    Raises:
        QueryNotFoundError: There is none of that name.
    """
    query = find_query(name)
    filled = {key: value for key, value in given.items() if value.strip()}
    page: Page = {**_described(query), "given": filled, "cypher": query.text, "answer": None, "problem": None}
    page["ids"] = _IDS_OF.get(name, "models")
    complete = all(parameter.default is not None or parameter.name in filled for parameter in query.parameters)
    if run and complete:
        try:
            page["answer"] = _answer(list(query.columns), run_query(store, name, filled)[1])
        except AtlasError as error:
            page["problem"] = {"message": error.message, "hint": error.hint}
    return page


def cypher_page(store: Store, text: str, *, run: bool = True) -> Page:
    """Return the answer to the user's own Cypher, which must only read.

    Args:
        store: The store.
        text: Cypher; nothing is asked where it is empty.
        run: Whether it is answered.
    """
    page: Page = {"cypher": text, "answer": None, "problem": None, "ids": None}
    if run and text.strip():
        try:
            page["answer"] = _answer(*store.run_user_query(text, {}))
        except AtlasError as error:
            page["problem"] = {"message": error.message, "hint": error.hint}
    return page


def _described(query: Query) -> dict[str, Any]:
    return {
        "name": query.name,
        "topic": query.topic,
        "title": query.title,
        "description": query.description,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "label": parameter.label,
                "choices": list(parameter.choices),
                "required": parameter.default is None,
                "default": ", ".join(parameter.default) if isinstance(parameter.default, list) else parameter.default,
                "description": parameter.description,
            }
            for parameter in query.parameters
        ],
    }


def _answer(columns: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    shown = [{name: row[name] for name in columns} for row in rows[:MAX_ROWS]]
    return {"columns": list(columns), "number": len(rows), "rows": shown, "figure": _figure(columns, shown)}


def _figure(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> figures.Figure | None:
    """Return bars where the answer has a name and a number a row, a line where it has a month and numbers."""
    numbers = [name for name in columns if rows and all(_is_number(row[name]) for row in rows)]
    words = [
        name
        for name in columns
        if rows and all(isinstance(row[name], str | None) for row in rows) and isinstance(rows[0][name], str)
    ]
    if not numbers or not words or len(rows) < 2:
        return None
    if words[0] in ("month", "year", "date"):
        return figures.lines(rows, words[0], numbers[:5], title="", across=words[0])
    labelled = [
        {"label": " · ".join(row[name] or "none" for name in words[:2]), "value": row[numbers[0]]}
        for row in rows[:MAX_BARS]
    ]
    return figures.bars(labelled, "label", "value", title=numbers[0].replace("_", " "))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
