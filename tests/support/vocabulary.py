"""Words of a private dialect in identifiers and first docstring lines: `python -m tests.support.vocabulary [PATH ...]`.

Identifiers are cut into words at underscores and capitals. A word of `DENIED` fails wherever it stands in a name that
the code defines; a word of `DENIED_PROSE` fails in the first line of a docstring. `docs/concepts/glossary.md` has the
terms to use instead.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("atlas_db", "ingest", "gnn", "cypher", "benchmarks")
SPEECH = frozenset(
    (
        "say says said saying tell tells told telling hear hears heard hearing ask asks asked asker askers asking "
        "speak speaks spoken spoke speaking untold voice voices witness witnesses witnessed testimony beside besides kin alike "
        "likest likewise strangers stranger surer surest sure"
    ).split()
)
DENIED = SPEECH | frozenset(
    "shelf echo silence atelier reckoning reckoned whence desk parcel parcels territory genealogy gauge ledger keeper "
    "loners loner lonely likeness relink unmet misdated untouched elected hopeless glance fame judge "
    "judged heard spelled licence licences licenced".split()
)
DENIED_PROSE = SPEECH
ALLOWED = frozenset({"SHARE_ALIKE"})
"""Terms of others: Creative Commons' ShareAlike."""


def words(name: str) -> list[str]:
    """Return the lower-case words of an identifier."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every name that a module defines, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def first_lines(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the first line of every docstring, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.split("\n")[0]


def hits(file: Path) -> list[str]:
    """Return what one module has of the denied words, one line each."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    path = file.relative_to(ROOT)
    found = [f"{path}:1 module name {file.stem}" for word in words(file.stem) if word in DENIED]
    for line, name in identifiers(tree):
        found += [
            f"{path}:{line} name {name}: {word}" for word in words(name) if word in DENIED and name not in ALLOWED
        ]
    for line, text in first_lines(tree):
        prose = re.findall(r"[a-z]+", text.lower())
        found += [f"{path}:{line} docstring: {word}" for word in prose if word in DENIED_PROSE]
    return sorted(set(found))


def modules(paths: list[str]) -> Iterator[Path]:
    """Yield the modules under some paths of the repository, all packages by default."""
    for name in paths or PACKAGES:
        place = ROOT / name
        yield from [place] if place.is_file() else sorted(place.rglob("*.py"))


if __name__ == "__main__":
    lines = [line for file in modules(sys.argv[1:]) for line in hits(file)]
    print("\n".join([*lines, f"{len(lines)} hits"]))
