"""The README is true: each example is run, each generated part is fresh, each picture and link is there."""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import zstandard

from atlas_db.pipeline.sample import sample
from benchmarks.readme import fresh
from tests.support.command import run
from tests.support.graphs import child, model, write_rows

pytestmark = [pytest.mark.timeout(900), pytest.mark.engine, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVES = "atlas-db dashboard"


@pytest.fixture(scope="module")
def place(demo_home: Path) -> Any:
    """A folder with the files that the README's examples name."""
    folder = demo_home.parent
    for name in ("models", "datasets"):
        packed = zstandard.compress((sample() / f"{name}.jsonl").read_bytes())
        (folder / f"{name}.jsonl.zst").write_bytes(packed)
    shutil.copytree(sample() / "weights", folder / "models")
    card = folder / "my-model"
    card.mkdir()
    (card / "README.md").write_text("---\nlicense: mit\nbase_model: meta-llama/Meta-Llama-3-8B\n---\n# Mine\n")
    (folder / "config.toml").write_text(re.search(r"\$ cat config\.toml\n(.*?)\$ ", README, re.S).group(1))  # type: ignore[union-attr]
    write_rows(folder / "june.jsonl", [model("a/b", tags=["license:mit"]), model("c/d")])
    write_rows(folder / "july.jsonl", [model("a/b", tags=["license:gpl-3.0"]), child("e/f", "a/b")])
    yield folder
    run(folder / "home", "store", "stop", "--store", "local")


def examples() -> list[tuple[str, str]]:
    """Commands of the console blocks, in order, each with the output that is shown."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", README, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def environment(place: Path) -> dict[str, str]:
    paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": paths, "ATLAS_DB_HOME": str(place / "home"), "ATLAS_DB_HEAP": "1g", "COLUMNS": "110",
            "NO_COLOR": "1", "ATLAS_DB_STORE": "demo"}  # fmt: skip


def test_every_example_runs_and_says_what_is_shown(place: Path) -> None:
    env = environment(place)
    checker = doctest.OutputChecker()
    verbs = set()
    for command, shown in examples():
        verbs.add(command.split()[1] if command.startswith("atlas-db ") else "")
        if command == SERVES:
            continue
        done = subprocess.run(
            ["bash", "-c", command], cwd=place, env=env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, (command, done.stdout[-1000:], done.stderr[-2000:])
        if shown:
            assert checker.check_output(shown, done.stdout, doctest.ELLIPSIS), (command, done.stdout)
    assert json.loads((place / "findings.sarif").read_text())["version"] == "2.1.0"
    assert (place / "site" / "index.html").is_file() and (place / "atlas" / "report.json").is_file()
    listed = {row.split("`")[1].split()[1] for row in README.splitlines() if row.startswith("| `atlas-db ")}
    assert listed - verbs == {"demo", "fetch", "evaluate", "embed"}


def test_the_dashboard_of_the_tour_answers(place: Path) -> None:
    assert (SERVES, "") in examples()
    with subprocess.Popen(
        [*SERVES.split(), "--port", "0"], env=environment(place), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        with urllib.request.urlopen(address.group() + "models/atlas-demo/tern") as page:
            assert "atlas-demo/tern-chat" in page.read().decode()
        process.terminate()


def test_python_examples(place: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert blocks
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=place, env=environment(place), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_generated_parts_are_fresh() -> None:
    assert fresh(README) == README, "run: python -m benchmarks.readme"


@pytest.mark.parametrize("page", ["README.md", "docker/README.md", "SECURITY.md"])
def test_files_verbs_and_modules_that_are_named_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / link).is_file(), link
    for name in re.findall(
        r"\b((?:atlas_db|benchmarks|cypher|docker|gnn|ingest|tests)/[\w./]+\.(?:py|cypher|yaml|json|jsonl|md))\b", text
    ):
        assert (ROOT / name).is_file(), name
    for module in re.findall(r"python -m (benchmarks[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    verbs = {line.split("`")[1].split()[1] for line in README.splitlines() if line.startswith("| `atlas-db ")}
    for verb in re.findall(r"(?:`|\$ )atlas-db ([a-z]+)", text):
        assert verb in verbs, verb


def test_the_first_command_runs_the_whole_flow_on_a_bare_copy(tmp_path: Path) -> None:
    """As a stranger does: a fresh checkout, nothing installed but Python."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    copy = tmp_path / "copy"
    for name in listed.stdout.decode().split("\0"):
        if not (ROOT / name).is_file():
            continue
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    command = re.search(r"<!-- demo command -->\n```bash\n(.*?)```", README, re.S)
    assert command is not None
    env = {name: value for name, value in environment(tmp_path).items() if not name.startswith(("VIRTUAL_ENV", "UV_"))}
    env["PATH"] = os.environ["PATH"]
    for state in ("done", "kept"):
        done = subprocess.run(
            ["bash", "-euc", command.group(1)], cwd=copy, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = re.findall(r"^(\w+) +(\w+) +[\d.]+ s ", done.stderr, re.M)
        assert said == [(stage, state) for stage in ("load", "fingerprint", "chart", "complete", "audit", "export")]
    report = json.loads((tmp_path / "home" / "demo" / "report.json").read_text())
    assert report["stages"]["complete"]["counts"]["from"] == "predictions.jsonl"
    assert report["atlas"]["claims"]["pipeline_tag"]["predicted"] == 39
    subprocess.run([".venv/bin/atlas-db", "store", "stop"], cwd=copy, env=env, check=True, capture_output=True)
