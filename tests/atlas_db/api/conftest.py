"""The names that examples of docstrings use."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import atlas_db
from atlas_db.pipeline.sample import sample
from tests.support.command import run
from tests.support.license_hub import POLICY


@pytest.fixture(scope="module")
def names(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("functions")
    shutil.copytree(sample() / "weights", folder / "models")
    shutil.copy(sample() / "tiny.jsonl", folder / "models.jsonl")
    (folder / "policy.toml").write_text(POLICY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ATLAS_DB_HOME", str(demo_home))
        patch.setenv("ATLAS_DB_HEAP", "1g")
        atlas_db.fingerprint("models", "fp.parquet")
        with atlas_db.connect("demo") as atlas:
            yield {"atlas_db": atlas_db, "atlas": atlas}
        run(demo_home, "store", "stop", "--store", f"local:{folder / 'store'}")
