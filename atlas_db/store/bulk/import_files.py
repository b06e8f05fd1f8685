"""CSV files for `neo4j-admin database import`: headers from the schema, a file for each label and shape of edges."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, NoneType, TracebackType
from typing import IO, Any, NamedTuple, Self

from atlas_db.core.files import replacing
from atlas_db.core.schema import SCHEMA, Property

ARRAY_DELIMITER = "\x1f"
HELD_ROWS = 2000
"""Rows of a file that are written at once."""
BUFFER = 4 * 2**20
"""Characters of the tool's buffer, which has to hold the longest line."""
_TYPES = {"string": "string", "integer": "long", "float": "double", "boolean": "boolean", "string[]": "string[]"}
_NONE: Mapping[str, Any] = MappingProxyType({})


class _UnwritableError(Exception):
    """A list that a cell cannot state."""


class _Table:
    """One file: its rows are held until they are many.

    Attributes:
        flag: Argument of the tool that names the label or type.
        longest: Characters of the longest row.
        multiline: True where a value has a line break.
    """

    def __init__(self, handle: IO[bytes], flag: str, header: Sequence[str]) -> None:
        self.flag, self.longest, self.multiline = flag, 0, False
        self._handle = handle
        self._rows = [",".join(header)]

    def extend(self, rows: Sequence[str]) -> None:
        """Add rows."""
        self._rows += rows
        if len(self._rows) >= HELD_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are held."""
        if self._rows:
            text = "\n".join(self._rows)
            self.longest = max(self.longest, *map(len, self._rows), 0)
            self.multiline |= text.count("\n") >= len(self._rows) or "\r" in text
            self._handle.write(text.encode() + b"\n")
            self._rows = []


class Unwritable(NamedTuple):
    """A node with a list that no cell can state: an empty one, or one with the delimiter in an entry.

    Its file holds it without that list.
    """

    label: str
    props: dict[str, Any]


class BulkImportFiles:
    """Writes nodes and edges into a folder, streaming. Use as a context manager: its end puts the files in place.

    All text is quoted: the tool takes an empty cell as absent, and a quoted empty one as an empty text.

    Attributes:
        unwritable: Nodes with lists that the files cannot state.

    Args:
        folder: The folder; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self.unwritable: list[Unwritable] = []
        self._folder = folder
        self._files = ExitStack()
        self._tables: dict[str, _Table] = {}
        self._nodes: dict[str, tuple[_Table, dict[tuple[str, ...], Callable[..., str]]]] = {}
        self._edges: dict[tuple[str, ...], _Table] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        self._files.__exit__(kind, value, trace)

    def node(self, label: str, props: Mapping[str, Any]) -> None:
        """Write one node; properties that are None are left out."""
        if label not in self._nodes:
            header = [_column(prop, label) for prop in SCHEMA.node(label).properties]
            self._nodes[label] = (self._table(label, f"--nodes={label}", header), {})
        table, rows_of = self._nodes[label]
        if (row_of := rows_of.get(names := tuple(props))) is None:
            row_of = rows_of[names] = _row_of(label, names)
        try:
            cells = [_CELLS[type(value)](value) for value in props.values()]
        except _UnwritableError:
            self.unwritable.append(Unwritable(label, dict(props)))
            cells = [_cell_or_none(value) for value in props.values()]
        table.extend((row_of(*cells),))

    def edges(
        self, rel: str, source: str, target: str, rows: Sequence[Sequence[Any]], names: Sequence[str] = (),
        common: Mapping[str, Any] = _NONE,
    ) -> None:  # fmt: skip
        """Write edges; arguments are those of `NewGraph.edges`."""
        if not rows:
            return
        columns = (*names, *common)
        if (table := self._edges.get(key := (rel, source, target, *columns))) is None:
            known = {prop.name: prop for prop in SCHEMA.relationship(rel).properties}
            header = [f":START_ID({source})", f":END_ID({target})", *(_column(known[name]) for name in columns)]
            shapes = sum(each[:3] == key[:3] for each in self._edges)
            name = f"{rel}.{source}.{target}{f'.{shapes}' if shapes else ''}"
            table = self._edges[key] = self._table(name, f"--relationships={rel}", header)
        tail = "".join(f",{_CELLS[type(value)](value)}" for value in common.values())
        table.extend([",".join([_CELLS[type(value)](value) for value in row]) + tail for row in rows])

    def flush(self) -> None:
        """Write all rows that are held."""
        for table in self._tables.values():
            table.flush()

    def command(self, database: str = "neo4j") -> str:
        """Return the import command for the files that were written, for a shell."""
        verb: list[str] = ["neo4j-admin"]
        flags: list[str] = []
        for word in self.arguments(database, self._folder):
            (flags if word.startswith("--") else verb).append(shlex.quote(word))
        return " \\\n  ".join([" ".join(verb), *flags])

    def arguments(self, database: str, folder: Path | None = None) -> list[str]:
        """Return the arguments of `neo4j-admin` for the files that were written.

        Args:
            database: Name of the database.
            folder: Folder that the files are named by; by default the tool runs in it.
        """
        tables = self._tables.values()
        words = ["database", "import", "full", database, "--overwrite-destination", "--id-type=string"]
        # Where values may span lines, the tool reads each file in one thread.
        words.append(f"--multiline-fields={str(any(table.multiline for table in tables)).lower()}")
        words += ["--array-delimiter=U+001F", "--bad-tolerance=0"]
        if (longest := 2 * max((table.longest for table in tables), default=0)) > BUFFER:
            words.append(f"--read-buffer-size={longest}")
        # Names alone are refused by newer versions, and in the path of a folder a comma would part two files.
        place = f"{folder}/" if folder else "./"
        return words + [f"{table.flag}={place}{name}.csv" for name, table in self._tables.items()]

    def _table(self, name: str, flag: str, header: Sequence[str]) -> _Table:
        partial = self._files.enter_context(replacing(self._folder / f"{name}.csv"))
        table = self._tables[name] = _Table(self._files.enter_context(partial.open("wb")), flag, header)
        return table


def _column(prop: Property, label: str = "") -> str:
    return f"{prop.name}:ID({label})" if label and prop.name == "id" else f"{prop.name}:{_TYPES[prop.type]}"


def _row_of(label: str, names: Sequence[str]) -> Callable[..., str]:
    """Return a function of the cells of some properties, in any order, that puts them into the columns of a label."""
    places = {name: place for place, name in enumerate(names)}
    columns = SCHEMA.node(label).properties
    return ",".join(f"{{{places[prop.name]}}}" if prop.name in places else "" for prop in columns).format


def _quoted(value: str) -> str:
    return f'"{value}"' if '"' not in value else '"' + value.replace('"', '""') + '"'


def _joined(value: Sequence[str]) -> str:
    text = ARRAY_DELIMITER.join(value)
    if not text or text.count(ARRAY_DELIMITER) >= len(value):
        raise _UnwritableError
    return _quoted(text)


def _cell_or_none(value: object) -> str:
    try:
        return _CELLS[type(value)](value)
    except _UnwritableError:
        return ""


_CELLS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    int: str,
    float: repr,
    bool: lambda value: "true" if value else "false",
    list: _joined,
    NoneType: lambda _: "",
}
