"""Writes the generated parts of the README, verbs, names and files: `python -m benchmarks.readme`; a test compares."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
WIDTH = 96


def verbs() -> str:
    """Return the table of verbs: the first sentence of each one's help."""
    from typer.main import get_command

    from atlas_db.cli.main import app

    rows = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        first = " ".join((command.help or "").split("\n\n")[0].split())
        rows.append(f"| `atlas-db {name}` | {_sentence(first)} |")
    return "\n".join(["| verb | what it does |", "|---|---|", *rows])


def names() -> str:
    """Return the table of Python names: the first sentence of each one's docstring."""
    import atlas_db
    from atlas_db.api import functions

    rows = ["| name | gives |", "|---|---|"]
    for name in sorted(atlas_db.__all__):
        thing = getattr(functions, name)
        if inspect.isfunction(thing):
            rows.append(f"| `atlas_db.{name}` | {_first(thing)} |")
    for name, thing in inspect.getmembers(functions.Atlas, inspect.isfunction):
        if not name.startswith("_"):
            rows.append(f"| `atlas.{name}` | {_first(thing)} |")
    return "\n".join(rows)


def files() -> str:
    """Return the tree of files: the first sentence of each module's docstring."""
    lines = [*_folder(ROOT / "atlas_db", 0), *_folder(ROOT / "ingest", 0)]
    lines.append(_line(0, "cypher/", _said(ROOT / "cypher" / "__init__.py")))
    lines.append(_line(1, "query_library.py", _said(ROOT / "cypher" / "query_library.py")))
    for topic in ("lineage", "explore", "audit"):
        number = len(list((ROOT / "cypher" / topic).glob("*.cypher")))
        lines.append(_line(1, f"{topic}/", f"{number} questions, one file each"))
    lines += _folder(ROOT / "gnn", 0)
    lines.append(_line(0, "benchmarks/", "Timings, and what makes the sample, the zoos and parts of this page"))
    lines += [_line(1, file.name, _said(file)) for file in sorted((ROOT / "benchmarks").glob("*.py"))]
    lines += _folder(ROOT / "benchmarks" / "zoo", 1)
    lines.append(_line(0, "tests/", "unit, contract (both engines), e2e, real_data"))
    lines.append(_line(0, "docker/", "compose.yaml (a pinned Neo4j), Dockerfile, README.md (permissions, backups)"))
    lines.append(_line(0, "docs/", "the pictures of this page"))
    return "\n".join(["```", *lines, "```"])


PARTS: dict[str, Callable[[], str]] = {"verbs": verbs, "names": names, "files": files}
_BESIDE = {
    "sample": "real models and datasets, tiny models with weights, predictions of them",
    "catalogue": "licenses.jsonl: the licences, one a line",
    "data": "what the code reads: rules and profiles, fitted odds",
    "templates": "the pages (Jinja2)",
    "static": "scripts and style sheets, written by hand",
}


def fresh(text: str) -> str:
    """Return the README with its generated parts as they should be."""
    for name, make in PARTS.items():
        mark, end = f"<!-- generated: {name} -->\n", "\n<!-- end -->"
        start = text.index(mark) + len(mark)
        text = text[:start] + make() + text[text.index(end, start) :]
    return text


def _folder(folder: Path, depth: int) -> Iterator[str]:
    yield _line(depth, f"{folder.name}/", _said(folder / "__init__.py"))
    for file in sorted(folder.glob("*.py")):
        if file.name != "__init__.py":
            yield _line(depth + 1, file.name, _said(file))
    for inner in sorted(each for each in folder.iterdir() if each.is_dir() and each.name != "__pycache__"):
        if (inner / "__init__.py").exists():
            yield from _folder(inner, depth + 1)
        elif inner.name in _BESIDE:
            yield _line(depth + 1, f"{inner.name}/", _BESIDE[inner.name])


def _line(depth: int, name: str, text: str) -> str:
    return f"{'  ' * depth + name:<25} {text}".rstrip()


def _said(file: Path) -> str:
    whole = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    text = _sentence(" ".join(whole.split("\n\n")[0].split()))
    return text if len(text) <= WIDTH else text[: text.rindex(" ", 0, WIDTH)].rstrip(",;:") + " …"


def _first(thing: object) -> str:
    return _sentence(" ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split()))


def _sentence(text: str) -> str:
    return re.split(r"(?<=[a-z)])\. ", text)[0].rstrip(".")


if __name__ == "__main__":
    README.write_text(fresh(README.read_text(encoding="utf-8")), encoding="utf-8")
