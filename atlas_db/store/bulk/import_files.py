"""CSV files for `neo4j-admin database import`: headers from the schema, one file per label and relationship."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from atlas_db.core.files import replacing
from atlas_db.core.schema import SCHEMA, Property

ARRAY_DELIMITER = "\x1f"
_TYPES = {"string": "string", "integer": "long", "float": "double", "boolean": "boolean", "string[]": "string[]"}


def _column(prop: Property, label: str = "") -> str:
    return f"{prop.name}:ID({label})" if label and prop.name == "id" else f"{prop.name}:{_TYPES[prop.type]}"


class BulkImportFiles:
    """Writes nodes and edges into a folder, streaming. Use as a context manager: its end puts the files in place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._writers: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.__exit__(kind, value, trace)

    def node(self, label: str, props: Mapping[str, Any]) -> None:
        """Write one node."""
        columns = SCHEMA.node(label).properties
        writer = self._writer(label, [_column(prop, label) for prop in columns])
        writer.writerow([_text(props.get(prop.name)) for prop in columns])

    def edge(self, rel: str, source: str, target: str, start: str, end: str, props: Mapping[str, Any]) -> None:
        """Write one edge."""
        columns = SCHEMA.relationship(rel).properties
        header = [f":START_ID({source})", *(_column(prop) for prop in columns), f":END_ID({target})"]
        writer = self._writer(f"{rel}.{source}.{target}", header)
        writer.writerow([start, *(_text(props.get(prop.name)) for prop in columns), end])

    def command(self, database: str = "neo4j") -> str:
        """Return the import command for the files that were written."""
        parts = [f"neo4j-admin database import full {database}", "--overwrite-destination", "--multiline-fields=true"]
        parts += ["--array-delimiter=U+001F", "--id-type=string"]
        for name in self._writers:
            kind, _, _ = name.partition(".")
            flag = "relationships" if "." in name else "nodes"
            parts.append(f"--{flag}={kind}={self._folder / (name + '.csv')}")
        return " \\\n  ".join(parts)

    def _writer(self, name: str, header: list[str]) -> Any:  # noqa: ANN401
        if name not in self._writers:
            partial = self._files.enter_context(replacing(self._folder / f"{name}.csv"))
            handle = self._files.enter_context(partial.open("w", newline="", encoding="utf-8"))
            self._writers[name] = csv.writer(handle, lineterminator="\n")
            self._writers[name].writerow(header)
        return self._writers[name]


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return ARRAY_DELIMITER.join(str(entry) for entry in value)
        case _:
            return str(value)
