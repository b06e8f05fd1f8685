"""A home folder in which the demo ran, for all commands that only read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_db.store.managed_engine import stop_engine
from tests.support.command import run_json


@pytest.fixture(scope="session")
def home(demo_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("demo-read") / "home"
    shutil.copytree(demo_made, home)
    yield home
    stop_engine(home / "stores" / "demo")


@pytest.fixture(scope="session")
def demo(home: Path) -> Path:
    answer = run_json(home, "demo")
    assert len(answer["answers"]) == 6
    assert all(entry["rows"] for entry in answer["answers"])
    assert {stage["state"] for stage in answer["stages"].values()} == {"kept"}
    return home
