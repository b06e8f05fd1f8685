"""The wheel in an environment of its own, without extras and outside the checkout: what is offered works."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
UV = os.environ.get("UV", "uv")
pytestmark = [pytest.mark.timeout(600), pytest.mark.engine, pytest.mark.slow]


class Bare(NamedTuple):
    """An environment that holds the wheel and its own dependencies alone."""

    python: Path
    folder: Path

    def run(self, *words: str, code: int = 0) -> str:
        kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "UV")}
        env = {**kept, "PATH": "/usr/bin:/bin", "ATLAS_DB_HOME": str(self.folder / "home"), "ATLAS_DB_HEAP": "1g"}
        done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == code, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def atlas(self, *words: str, code: int = 0) -> str:
        return self.run(str(self.python.with_name("atlas-db")), *words, code=code)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    folder = tmp_path_factory.mktemp("bare")
    python = folder / "env" / "bin" / "python"

    def uv(*words: str) -> None:
        subprocess.run([UV, *words], cwd=ROOT, check=True, capture_output=True)

    uv("build", "--wheel", "-o", str(folder / "dist"))
    locked = folder / "requirements.txt"
    uv("export", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes", "-o", str(locked))
    uv("venv", "--python", sys.executable, str(folder / "env"))
    (wheel,) = (folder / "dist").glob("*.whl")
    uv("pip", "install", "--python", str(python), "-r", str(locked), str(wheel))
    found = Bare(python, folder)
    yield found
    found.atlas("store", "stop", "--store", "demo")


@pytest.fixture(scope="module")
def demo(bare: Bare) -> dict[str, object]:
    return json.loads(bare.atlas("demo", "--format", "json"))  # type: ignore[no-any-return]


def test_every_question_of_the_demo_has_an_answer(demo: dict) -> None:  # type: ignore[type-arg]
    assert len(demo["answers"]) == 6
    assert [answer["question"] for answer in demo["answers"] if not answer["rows"]] == []
    states = {name: stage["state"] for name, stage in demo["stages"].items()}
    assert states == {**dict.fromkeys(states, "done"), "export": "skipped"}


def test_what_is_tried_next_works_as_printed(bare: Bare, demo: dict) -> None:  # type: ignore[type-arg]
    lines = [shlex.split(line) for line in demo["next"]]
    assert not any("dashboard" in words for words in lines), "it is not installed"
    for words in lines:
        if "run" not in words:  # the user's own list is not there
            bare.run(*words)
    text = bare.atlas("demo")
    assert "dashboard --store" not in text
    assert all(line in text for line in demo["next"])


def test_doctor_reports_no_fault(bare: Bare, demo: dict) -> None:  # type: ignore[type-arg]
    assert json.loads(bare.atlas("doctor", "--store", "demo", "--format", "json"))["ok"]
    assert "doctor" in bare.run(str(bare.python), "-m", "atlas_db", "--help")


def test_python_needs_no_pandas_until_a_frame_is_made_and_names_the_command_that_adds_it(
    bare: Bare, demo: dict
) -> None:  # type: ignore[type-arg]
    program = """
import atlas_db
from atlas_db.core.errors import UsageError
with atlas_db.connect("demo") as atlas:
    found = atlas.query("top_parents", limit=2)
    print(atlas_db.__version__, len(found), atlas.status().models, atlas.audit("atlas-demo/tern-chat").models)
    try:
        found.to_frame()
    except UsageError as error:
        print(error.hint)
"""
    version, *rest = bare.run(str(bare.python), "-c", program).split(maxsplit=1)
    assert version[0].isdigit()
    (wheel,) = (bare.folder / "dist").glob("*.whl")
    assert rest == [f"2 371 1\nuv pip install --python {bare.python} '{wheel}[analysis]'\n"]
    words = shlex.split(rest[0].splitlines()[1])
    subprocess.run([UV, *words[1:]], check=True, capture_output=True)
    assert "families" in bare.atlas("analyse", "families", "--store", "demo", "--format", "quiet")


def test_an_extra_with_torch_states_what_it_downloads(bare: Bare) -> None:
    done = bare.atlas("complete", "--format", "json", code=2)
    hint = json.loads(done)["hint"]
    assert "[gnn]' (on Linux 2.7 GB" in hint
    assert "--torch-backend cpu" in hint
