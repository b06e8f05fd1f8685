"""README and docs are true: each example runs, and prints what is shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from atlas_db.cli.main import application
from tests.support.command import run
from tests.support.doc_examples import LANGUAGES, PAGES, ROOT, SERVES, SKIP, Reader, as_shown, blocks, prepare

EXAMPLES = [page for page in PAGES if any(block.language in LANGUAGES for block in blocks(page))]
README = ROOT / "README.md"
WRITTEN = {
    "bills-of-materials.md": ("bom.json", "bom.spdx.json", "bom.html"),
    "dashboard.md": ("site/index.html",),
    "getting-started.md": ("atlas/report.json", "atlas/fingerprints.parquet"),
    "lineage-from-weights.md": ("edges.jsonl", "families.jsonl"),
    "run-in-ci.md": ("findings.sarif",),
    "where-from.md": ("report/origin.html",),
}
"""Files that the examples of a page write."""
NOT_RUN = {"demo", "embed", "evaluate", "fetch", "mcp"}
"""Verbs without an example that runs: they take minutes, a model of one's own, the live Hub, or an agent. All have tests."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def place(demo_home: Path) -> Iterator[Path]:
    """A folder with the files that examples name, and the demo's home."""
    folder = demo_home.parent
    prepare(folder)
    yield folder
    run(folder / "home", "store", "stop", "--store", "local")


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES, ids=name_of)
def test_every_example_runs_and_prints_what_is_shown(page: Path, place: Path) -> None:
    for command, shown, printed in Reader(place).read(page):
        assert as_shown(shown, printed), f"{name_of(page)}: {command}\n{printed}"
    for file in WRITTEN.get(page.name, ()):
        assert (place / file).is_file(), file
    for name in set(WRITTEN.get(page.name, ())) & {"findings.sarif"}:
        assert json.loads((place / name).read_text())["version"] == "2.1.0"


def test_every_verb_is_shown() -> None:
    shown = {
        command.split()[1]
        for page in EXAMPLES
        for block in blocks(page)
        if block.language == "console" and not block.skipped
        for command, _ in block.commands()
        if command.startswith("atlas-db ")
    }
    assert set(get_command(application()).commands) - shown == NOT_RUN  # type: ignore[attr-defined]


def test_every_block_runs_or_has_a_reason_not_to() -> None:
    """Shell blocks install, serve or train: they are run by hand, and the two commands of README by tests."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(SKIP.findall(text)) == len(re.findall(r"^<!-- not run", text, re.M)), page
        assert len(SKIP.findall(text)) == sum(block.skipped for block in blocks(page)), page
        assert {block.language for block in blocks(page)} <= {*LANGUAGES, "bash", "text", "toml", "yaml"}, page


@pytest.mark.engine
@pytest.mark.slow
def test_the_dashboard_of_the_guide_answers(place: Path) -> None:
    guide = ROOT / "docs" / "guides" / "dashboard.md"
    assert SERVES in [command for block in blocks(guide) for command, _ in block.commands()]
    with subprocess.Popen(
        [*SERVES.split(), "--port", "0"], env=Reader(place).environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        with urllib.request.urlopen(address.group() + "models/atlas-demo/tern") as page:
            assert "atlas-demo/tern-chat" in page.read().decode()
        process.terminate()


@pytest.mark.engine
@pytest.mark.slow
def test_the_demo_command_runs_all_stages_on_a_bare_copy(tmp_path: Path) -> None:
    """As a newcomer does: a fresh checkout, nothing installed but Python."""
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
    command = re.search(r"<!-- demo command -->\n```bash\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    assert command is not None
    env = {
        name: value
        for name, value in Reader(tmp_path).environment().items()
        if not name.startswith(("VIRTUAL_ENV", "UV_"))
    }
    env["PATH"] = env["PATH"].partition(":")[2]
    for state in ("done", "kept"):
        done = subprocess.run(
            ["bash", "-euc", command.group(1)], cwd=copy, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        stages = re.findall(r"^(\w+) +(\w+) +[\d.]+ s ", done.stderr, re.M)
        assert stages == [(stage, state) for stage in ("load", "fingerprint", "chart", "complete", "audit", "export")]
    report = json.loads((tmp_path / "home" / "demo" / "report.json").read_text())
    assert report["stages"]["complete"]["counts"]["from"] == "predictions.jsonl"
    packaged = [json.loads(line) for line in (ROOT / "atlas_db/sample/predictions.jsonl").read_text().splitlines()]
    expected = sum(each["attribute"] == "pipeline_tag" for each in packaged)
    assert report["atlas"]["claims"]["pipeline_tag"]["predicted"] == expected > 0
    subprocess.run([".venv/bin/atlas-db", "store", "stop"], cwd=copy, env=env, check=True, capture_output=True)
