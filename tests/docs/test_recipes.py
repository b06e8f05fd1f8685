"""The recipes: every file and every name of the code that they mention exists."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "contributing" / "recipes.md").read_text(encoding="utf-8")
TOP = ("atlas_db/", "ingest/", "gnn/", "cypher/", "tests/", "docs/", "benchmarks/")
PATHS = sorted(
    {
        path
        for path in re.findall(r"`([\w./-]+)`", PAGE)
        if path.startswith(TOP) and "NAME" not in path and "TOPIC" not in path
    }
)
NAMES = sorted(set(re.findall(r"`(_?[A-Z]\w+)`", PAGE)) - {"DISTINCT", "ORDER"})


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_a_recipe_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_names_of_the_code_exist() -> None:
    assert len(PATHS) > 25 and len(NAMES) > 10
    code = "\n".join(
        file.read_text(encoding="utf-8")
        for top in ("atlas_db", "ingest", "gnn", "cypher")
        for pattern in ("*.py", "*.cypher")
        for file in (ROOT / top).rglob(pattern)
    )
    assert [name for name in NAMES if not re.search(rf"\b{name}\b", code)] == []
