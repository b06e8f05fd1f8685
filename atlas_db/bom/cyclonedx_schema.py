"""The published JSON schema of CycloneDX (ECMA-424), which every bill is checked against before it is given out.

The schema lies in `cyclonedx-python-lib`. Its own validator agrees, but is imported for two seconds and takes 20 ms or
more for each address (github.com/python-jsonschema/jsonschema/issues/1392).
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

_REFERRED = ("spdx", "cryptography-defs", "jsf-0.82")
"""Schemas that the schema of a bill refers to."""
_BASE = "http://cyclonedx.org/schema/"


def schema_problem(document: dict[str, Any], spec: str) -> str | None:
    """Return the first reason why a document is no valid bill, with its place; None where it is valid.

    Args:
        document: A CycloneDX document.
        spec: 1.7 or 1.6.
    """
    try:
        _validator(spec).validate(document)
    except jsonschema_rs.ValidationError as error:
        return f"{error.message} at {'/'.join(map(str, error.instance_path)) or 'the top'}"
    return None


@cache
def _validator(spec: str) -> jsonschema_rs.Draft7Validator:
    registry = jsonschema_rs.Registry([(f"{_BASE}{_file(name)}", _schema(name)) for name in _REFERRED])
    return jsonschema_rs.Draft7Validator(_schema(f"bom-{spec}"), registry=registry, validate_formats=True)


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("cyclonedx.schema") / "_res" / _file(name)).read_text(encoding="utf-8"))
    return schema


def _file(name: str) -> str:
    return f"{name}.SNAPSHOT.schema.json"
