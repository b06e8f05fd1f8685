"""Questions to an atlas as tools for agents: names, descriptions, JSON schemas of the arguments, and functions.

Each shipped query is a tool of its own name. Beside them stand `lineage`, `audit`, `origin`, `cypher` and `schema`.
Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from atlas_db.api.atlas import Atlas
from atlas_db.core.errors import InputError, UsageError
from atlas_db.core.files import is_there
from atlas_db.core.schema import markdown
from cypher import query_library
from cypher.query_library import LIST, Query, QueryParameter

MAX_ROWS = 200
"""Rows of an answer; more would fill an agent's memory. The answer says how many there are."""
_KINDS = {"integer": "integer", "float": "number", "boolean": "boolean"}
Arguments = Mapping[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AgentTool:
    """A question that an agent can put.

    Attributes:
        name: Its name.
        title: A short title.
        description: What it answers.
        schema: JSON schema of its arguments, an object.
        answer: Queries the atlas; takes the arguments as the agent gave them.
    """

    name: str
    title: str
    description: str
    schema: dict[str, Any]
    answer: Callable[[Atlas, Arguments], Answer]


class LineageQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of `lineage`."""

    model: Annotated[str, Meta(description="Model id, owner/name")]
    depth: Annotated[int, Meta(ge=0, description="Steps each way; 0 for no limit")] = 1
    min_confidence: Annotated[float, Meta(ge=0, le=1, description="Edges below this confidence are left out")] = 0.0


class AuditQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of `audit`."""

    models: Annotated[list[str], Meta(min_length=1, max_length=100, description="Model ids")]
    profile: Annotated[str, Meta(description="strict, default or lenient")] = "default"


class OriginQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of `origin`."""

    paths: Annotated[list[str], Meta(min_length=1, max_length=20, description="Folders or files of weights here")]


class CypherQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of `cypher`."""

    query: Annotated[str, Meta(max_length=20_000, description="One statement that only reads; end it with LIMIT")]
    parameters: dict[str, str | int | float | bool | list[str]] = {}


class SchemaQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Arguments of `schema`: none."""


def agent_tools() -> dict[str, AgentTool]:
    """Return all tools by name: those that take weights, audits or Cypher first, then the shipped queries."""
    own = [
        _tool("lineage", "Lineage of a model", _LINEAGE, LineageQuestion, _lineage),
        _tool("audit", "Licence audit of models", _AUDIT, AuditQuestion, _audit),
        _tool("origin", "Origin of weights", _ORIGIN, OriginQuestion, _origin),
        _tool("cypher", "Cypher", _CYPHER, CypherQuestion, _cypher),
        _tool("schema", "Schema of the graph", _SCHEMA, SchemaQuestion, _schema),
    ]
    return {tool.name: tool for tool in [*own, *map(_query_tool, query_library.queries().values())]}


_LINEAGE = (
    "Ancestors and descendants of a model. Each edge says how it was made (relation), how sure it is (confidence), and "
    "whether it is declared, verified by weights, undeclared, predicted or contradicted (status)."
)
_AUDIT = (
    "Checks models against the licences of everything upstream: verdicts, findings with rule and clause, obligations. "
    "No legal advice. `unknown` means that the atlas cannot tell."
)
_ORIGIN = (
    "Says from the weights alone where local models come from. A parent is looked for only among these and the models "
    "charted into this atlas from this machine."
)
_CYPHER = "Runs Cypher that only reads, for what no other tool answers. Call `schema` first."
_SCHEMA = "Labels, relationship types and properties of the graph."


def _tool(
    name: str, title: str, description: str, question: type[msgspec.Struct], answer: Callable[[Atlas, Any], Answer]
) -> AgentTool:
    (_,), components = msgspec.json.schema_components([question])
    schema = {key: value for key, value in components[question.__name__].items() if key not in ("title", "description")}
    return AgentTool(name, title, description, schema, lambda atlas, given: answer(atlas, _read(name, given, question)))


def _read(name: str, given: Arguments, question: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.convert(dict(given), question)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {error}", hint="See the schema of the tool's arguments") from error


def _query_tool(query: Query) -> AgentTool:
    schema = {
        "type": "object",
        "properties": {parameter.name: _property(parameter) for parameter in query.parameters},
        "required": [parameter.name for parameter in query.parameters if parameter.default is None],
        "additionalProperties": False,
    }
    description = f"{query.description} Columns: {', '.join(query.columns)}."
    return AgentTool(query.name, query.title, description, schema, partial(_query, query.name))


def _property(parameter: QueryParameter) -> dict[str, Any]:
    found: dict[str, Any] = {"description": parameter.description}
    if parameter.type.startswith(LIST):
        found |= {"type": "array", "items": {"type": "string"}}
    elif parameter.choices:
        found |= {"type": "string", "enum": [*parameter.choices, *([""] if parameter.default == "" else [])]}
    else:
        found["type"] = _KINDS.get(parameter.type, "string")
    return found if parameter.default is None else {**found, "default": parameter.default}


def _query(name: str, atlas: Atlas, given: Arguments) -> Answer:
    return _rows(list(atlas.query(name, **given)))


def _rows(rows: list[dict[str, Any]]) -> Answer:
    return {"rows": rows[:MAX_ROWS], "total": len(rows), "complete": len(rows) <= MAX_ROWS}


def _lineage(atlas: Atlas, question: LineageQuestion) -> Answer:
    found = atlas.lineage(question.model, depth=question.depth, min_confidence=question.min_confidence)
    record = {name: value for name, value in found.model.properties.items() if value is not None}
    return {"model": record, "counts": dict(found.counts), **_rows(found.rows())}


def _audit(atlas: Atlas, question: AuditQuestion) -> Answer:
    found = atlas.audit(*question.models, profile=question.profile).document()
    rows = {name: found[name][:MAX_ROWS] for name in ("findings", "obligations")}
    return {**found, **rows, "complete": all(len(rows[name]) == len(found[name]) for name in rows)}


def _origin(atlas: Atlas, question: OriginQuestion) -> Answer:
    for path in question.paths:
        if not is_there(Path(path)):
            raise InputError(f"there is nothing at {path}", hint="Give the path of a folder or file of weights here")
    return {"answers": [answer.to_dict() for answer in atlas.origin(*question.paths)]}


def _cypher(atlas: Atlas, question: CypherQuestion) -> Answer:
    return _rows(list(atlas.query(f"{question.query}\n", **question.parameters)))


def _schema(atlas: Atlas, _: SchemaQuestion) -> Answer:
    return {"markdown": markdown()}
