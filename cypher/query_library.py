"""The shipped queries: `.cypher` files with a header (title, description, parameters, columns) and one statement.

// title: Ancestors of a model
// description: …
// param: model (model, required): Model id
// param: limit (integer, default 100): Rows at most
// columns: id, license

Types of parameters are string, integer, float, boolean, and list (of strings, separated by commas). `model`, `dataset`,
`license`, `task` and `author` are ids of such nodes, `list of license` several of them. Values separated by | are all
that there are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from atlas_db.claims.repository_ids import requested_id
from atlas_db.core.errors import QueryNotFoundError, QueryParameterError, did_you_mean
from atlas_db.store.bolt_values import MAX_WHOLE
from atlas_db.store.contents import require_models, require_node
from atlas_db.store.statements import Statement
from atlas_db.store.time_limits import limited_reads

if TYPE_CHECKING:
    from atlas_db.store.bolt import Row, Store

TOPICS = ("lineage", "explore", "audit")
Value = str | int | float | bool | list[str]
LABELS = {"model": "Model", "dataset": "Dataset", "license": "License", "task": "Task", "author": "Author"}
"""Types whose values are ids of nodes, and the labels of these nodes."""
LIST = "list"
_TYPE = rf"string|integer|float|boolean|(?:{LIST} of )?(?:{'|'.join(LABELS)})|{LIST}|\w+(?:\|\w+)+"
_PARAM = re.compile(rf"(\w+) \(({_TYPE}), (required|default ?(.*))\): (.+)")
_ARTICLES = {"integer": "a whole number from 0 on", "float": "a finite number", "boolean": "true or false"}
_SHOWN = 40
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One parameter of a query.

    Attributes:
        name: Its name.
        type: Its type, as the header of the file has it.
        default: Its default, None where it is required.
        description: Its meaning.
    """

    name: str
    type: str
    default: Value | None
    description: str

    @property
    def choices(self) -> tuple[str, ...]:
        """All values that it may have; empty where there are others."""
        return tuple(self.type.split("|")) if "|" in self.type else ()

    @property
    def label(self) -> str:
        """Label of the nodes whose ids it takes; empty where it takes no id."""
        return LABELS.get(self.type.removeprefix(f"{LIST} of "), "")


@dataclass(frozen=True, slots=True)
class Query:
    """One shipped query.

    Attributes:
        name: File name without extension; unique.
        topic: Folder.
        title: Short title.
        description: One sentence on its answer.
        parameters: Its parameters.
        columns: Columns of the result, in order.
        text: The Cypher.
    """

    name: str
    topic: str
    title: str
    description: str
    parameters: tuple[QueryParameter, ...]
    columns: tuple[str, ...]
    text: str

    def bind(self, given: Mapping[str, str]) -> dict[str, Value]:
        """Convert parameters as typed on a command line.

        Raises:
            QueryParameterError: One is missing, unknown, or does not convert.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise QueryParameterError(
                    f"the query {self.name} has no parameter {name!r}",
                    hint=f"{did_you_mean(name, known)} It has: {', '.join(known) or 'none'}".strip(),
                )
        bound: dict[str, Value] = {}
        for name, parameter in known.items():
            if name in given:
                bound[name] = parse_value(parameter, given[name])
            elif parameter.default is None:
                raise QueryParameterError(
                    f"the query {self.name} needs the parameter {name!r} ({parameter.description})",
                    hint=f"Add --param {name}=…",
                )
            else:
                bound[name] = parameter.default
        return bound


def parse_value(parameter: QueryParameter, text: str) -> Value:
    """Convert one parameter.

    Raises:
        QueryParameterError: It does not convert.
    """
    try:
        match parameter.type:
            case "integer" if 0 <= (count := int(text)) <= MAX_WHOLE:
                return count
            case "float" if math.isfinite(number := float(text)):
                return number
            case "boolean":
                return {"true": True, "false": False}[text.lower()]
            case kind if kind.startswith(LIST):
                return [part.strip() for part in text.split(",") if part.strip()]
    except (ValueError, KeyError) as error:
        raise _wrong_value(parameter, text) from error
    if parameter.type in _ARTICLES:
        raise _wrong_value(parameter, text)
    if parameter.choices and text and text not in parameter.choices:
        raise QueryParameterError(
            f"the parameter {parameter.name} takes no {text!r}",
            hint=f"{did_you_mean(text, parameter.choices)} It takes: {', '.join(parameter.choices)}".strip(),
        )
    if parameter.label:
        return requested_id(text)
    return text


def _wrong_value(parameter: QueryParameter, text: str) -> QueryParameterError:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return QueryParameterError(
        f"the parameter {parameter.name} takes {_ARTICLES[parameter.type]}, not {shown!r}",
        hint=f"Write it as --param {parameter.name}={parameter.default or 1}",
    )


@cache
def queries() -> dict[str, Query]:
    """Return all shipped queries by name, topic by topic."""
    found: dict[str, Query] = {}
    for topic in TOPICS:
        folder = files("cypher").joinpath(topic)
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".cypher"):
                query = _read(topic, file)
                if query.name in found:
                    raise ValueError(f"two queries are called {query.name}")
                found[query.name] = query
    return found


def find_query(name: str) -> Query:
    """Return a query by name, with or without its topic.

    Raises:
        QueryNotFoundError: There is none; similar names are suggested.
    """
    bare = name.rpartition("/")[2].removesuffix(".cypher")
    if (query := queries().get(bare)) is not None:
        return query
    hint = f"{did_you_mean(bare, queries())} List them with atlas-db query".strip()
    raise QueryNotFoundError(f"there is no query {name!r}", hint=hint)


def run_query(store: Store, name: str, given: Mapping[str, str] | None = None) -> tuple[Query, list[Row]]:
    """Run a shipped query.

    Args:
        store: The store.
        name: Name of the query.
        given: Parameters as texts.

    Raises:
        QueryNotFoundError: There is none of that name.
        QueryParameterError: A parameter is missing, unknown, does not convert, or names what the store lacks.
        ModelNotFoundError: A parameter names a model that the store lacks.
        EmptyStoreError: The store holds no models.
        TimeLimitError: It took too long.
    """
    query = find_query(name)
    bound = query.bind(given or {})
    require_models(store)
    for parameter in query.parameters:
        # A mistyped id would give an empty table. A default may name what this store lacks.
        if parameter.label and given and parameter.name in given:
            value = bound[parameter.name]
            for identifier in value if isinstance(value, list) else [value]:
                if identifier:
                    require_node(store, parameter.label, str(identifier))
    with limited_reads():
        return query, store.read(Statement(query.text), **bound)


def default_rows(store: Store, name: str) -> list[Row]:
    """Return the rows of a shipped query with the defaults of its parameters; the store may be empty."""
    query = find_query(name)
    return store.read(Statement(query.text), **query.bind({}))


def _read(topic: str, file: Traversable) -> Query:
    header: dict[str, list[str]] = {}
    body: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("// ") and not body:
            key, _, value = line[3:].partition(": ")
            header.setdefault(key, []).append(value)
        else:
            body.append(line)
    return Query(
        name=file.name.removesuffix(".cypher"),
        topic=topic,
        title=header["title"][0],
        description=header["description"][0],
        parameters=tuple(_parameter(text, file.name) for text in header.get("param", [])),
        columns=tuple(column.strip() for column in header["columns"][0].split(",")),
        text="\n".join(body).strip(),
    )


def _parameter(text: str, file: str) -> QueryParameter:
    match = _PARAM.fullmatch(text)
    if match is None:
        raise ValueError(f"{file}: cannot read the parameter line {text!r}")
    name, kind, need, default, description = match.groups()
    bare = QueryParameter(name, kind, None, description)
    return bare if need == "required" else QueryParameter(name, kind, parse_value(bare, default or ""), description)
