"""Tests of `atlas_db/cli/values.py`: what a shell would complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atlas_db.cli.values import license_ids, profiles, query_names
from atlas_db.snapshot.repositories import named_models
from atlas_db.snapshot.snapshot_file import closure, write_repositories
from tests.support.command import environment, run
from tests.support.kept import answered
from tests.support.license_hub import ROWS

SCRIPT = Path(sys.executable).with_name("atlas-db")


def test_names_of_queries_profiles_and_licences() -> None:
    assert ("ancestors", "Ancestors of a model") in query_names("ancest") and query_names("zzz") == []
    assert "strict" in profiles("st") and set(profiles("")) >= {"strict", "default", "lenient"}
    assert "apache-2.0" in license_ids("apa") and all(each.startswith("apa") for each in license_ids("apa"))


def complete(home: Path, *words: str) -> list[str]:
    """Return what a shell would be told after these words."""
    asked = {"COMP_CWORD": str(len(words)), "COMP_WORDS": " ".join(["atlas-db", *words])}
    env = environment(home, _ATLAS_DB_COMPLETE="complete_bash", **asked)
    return subprocess.run([SCRIPT], env=env, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
def test_ids_come_from_a_snapshot(tmp_path: Path) -> None:
    place, file = answered(ROWS).repositories, tmp_path / "atlas.parquet"
    write_repositories(closure(place, [each.id for each in named_models(place)]), place.newest(), file)
    for verb in (["gate"], ["notice"], ["bom"], ["gpai"], ["audit"], ["lineage"]):
        assert complete(tmp_path / "home", *verb, "--store", str(file), "p/m") == ["p/mit"]


@pytest.mark.engine
def test_ids_come_from_a_store_that_runs(demo: Path) -> None:
    run(demo, "store", "start")
    assert "atlas-demo/tern-chat" in complete(demo, "lineage", "atlas-demo/ter")
    assert complete(demo, "query", "ancestors", "-p", "mo") == ["model="]
    assert complete(demo, "query", "search", "--fo") == ["--format"]
    nowhere = demo.parent / "elsewhere"
    assert complete(nowhere, "lineage", "atlas-demo/ter") == [] and not nowhere.exists()
