"""README and docs name what is there: links, pictures, files, modules, verbs; reference pages follow from the code."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from atlas_db.api import atlas, functions, results
from atlas_db.cli.main import application
from benchmarks.reference import PAGES as REFERENCE
from benchmarks.reference import stale
from tests.support.doc_examples import PAGES, ROOT

TEXTS = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md")
MAX_README_LINES = 150
FOLDERS = "atlas_db|benchmarks|cypher|docker|docs|gnn|ingest|tests"
HOUSE = re.compile(rf"\b((?:{FOLDERS})/[\w./]+\.(?:py|cypher|yaml|json|jsonl|md|svg|png))\b")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", TEXTS, ids=name_of)
def test_files_modules_and_verbs_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", text):
        assert (page.parent / link).is_file(), link
    for name in HOUSE.findall(re.sub(r"\]\([^)]*\)", "", text)):
        assert (ROOT / name).is_file(), name
    for module in re.findall(r"python -m (benchmarks[\w.]*|tests[\w.]*)", text):
        path = ROOT / module.rstrip(".").replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    verbs = get_command(application()).commands  # type: ignore[attr-defined]
    for verb in re.findall(r"(?:`|\$ )atlas-db ([a-z]+)", text):
        assert verb in verbs, verb


@pytest.mark.slow
def test_reference_pages_follow_from_the_code() -> None:
    assert stale() == [], "run: just reference"


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "python-api" / "index.html").read_text(encoding="utf-8")
    assert "Example:" not in page, "a section of a docstring is called Examples"


def test_every_result_class_is_on_the_python_page() -> None:
    """A class that a public function or method returns has a section of its own."""
    page = (ROOT / "docs" / "reference" / "python-api.md").read_text(encoding="utf-8")
    listed = {line.rpartition(".")[2] for line in page.splitlines() if line.startswith("::: ")}
    returned = {
        name
        for module in (functions, atlas, results)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.FunctionDef | ast.AnnAssign) and (note := annotation(node)) is not None
        for name in re.findall(r"\b[A-Z]\w+", ast.unparse(note))
    }
    foreign = {"Any", "Self", "Iterator", "Mapping", "Sequence", "DataFrame", "Table", "None"}
    assert returned - foreign - listed == set()


def annotation(node: ast.FunctionDef | ast.AnnAssign) -> ast.expr | None:
    """Return the annotation of what a function returns or an attribute holds, where it is public."""
    if isinstance(node, ast.AnnAssign):
        return node.annotation
    return None if node.name.startswith("_") else node.returns


def test_every_page_is_in_the_navigation() -> None:
    class Loader(yaml.SafeLoader):
        """Reads mkdocs.yml without its Python tags."""

    found = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(found)))
    assert listed == {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert {f"reference/{name}.md" for name in REFERENCE} <= listed


def test_readme_is_one_screen() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_README_LINES


def test_errors_name_their_exit_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\d) \|$", (ROOT / "docs/reference/errors.md").read_text(), re.M)
    assert len(rows) > 20 and {code for _, code in rows} <= {"1", "2", "3", "4", "5"}


def test_the_site_loads_nothing_from_elsewhere() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text and "mermaid" not in text and "https://" not in text
