"""The tree of packages: small rooms, names of their own, a contract for each package with layers."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.support.paths import MODULES, ROOT

ROOMS = sorted({file.parent for file in MODULES})
MAX_MODULES = 14


def test_no_room_holds_too_many_modules() -> None:
    counts = Counter(file.parent for file in MODULES if file.parent != Path("atlas_db/cli"))
    assert {str(room): count for room, count in counts.items() if count > MAX_MODULES} == {}


def test_no_module_name_occurs_twice_outside_the_command_line() -> None:
    counts = Counter(file.stem for file in MODULES if file.parent != Path("atlas_db/cli"))
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_every_room_has_a_docstring(room: Path) -> None:
    assert (ROOT / room / "__init__.py").read_text(encoding="utf-8").startswith('"""')


def test_every_package_with_rooms_has_a_contract_that_names_all_of_them() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [contract for contract in contracts if contract["type"] == "layers"]
    named = {name.strip() for contract in layers for layer in contract["layers"] for name in layer.split("|")}
    for package in ("ingest", "ingest/weights", "gnn"):
        rooms = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").is_file()}
        assert rooms <= named, package
    inner = {path.name for path in (ROOT / "atlas_db").iterdir() if (path / "__init__.py").is_file()}
    assert {f"atlas_db.{name}" for name in inner} <= named


def test_modules_and_functions_stay_small() -> None:
    for folder in ("atlas_db", "ingest", "gnn", "cypher", "release"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert text.count("\n") <= 500, file
            tree = ast.parse(text)
            assert ast.get_docstring(tree), file
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert (node.end_lineno or 0) - node.lineno < 60, f"{file}: {node.name}"
    for file in (ROOT / "atlas_db" / "dashboard" / "static").iterdir():
        assert file.read_text(encoding="utf-8").count("\n") <= 500, file


def test_no_public_class_name_occurs_twice() -> None:
    """One name means one thing; what is private to a module (`_Name`) may be called as there."""
    counts = Counter(
        node.name
        for file in MODULES
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in counts.items() if count > 1] == []
