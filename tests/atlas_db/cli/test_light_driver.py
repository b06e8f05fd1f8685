"""Tests of `atlas_db/cli/light_driver.py`."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "sorted({'pandas', 'numpy', 'pyarrow'} & set(sys.modules))"


def run(*lines: str) -> str:
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_driver_of_a_verb_imports_no_data_frames() -> None:
    lines = ["import sys", "from atlas_db.cli.light_driver import hide_optional_libraries", "hide_optional_libraries()"]
    assert run(*lines, "import atlas_db.snapshot.opening", f"print({HEAVY})") == "[]"


@pytest.mark.slow
def test_a_program_that_has_the_driver_keeps_its_values() -> None:
    lines = ["import sys, neo4j", "from atlas_db.cli.light_driver import hide_optional_libraries"]
    lines += ["hide_optional_libraries()", "from neo4j._optional_deps import np", "print(np.__name__)"]
    assert run(*lines) == "numpy"


@pytest.mark.slow
def test_the_driver_of_a_verb_has_no_asynchronous_half_and_a_program_has() -> None:
    there = "print('neo4j._async.io' in sys.modules, neo4j.AsyncGraphDatabase is None)"
    hide = ["from atlas_db.cli.light_driver import hide_optional_libraries", "hide_optional_libraries()"]
    assert run("import sys", *hide, "import neo4j", there) == "False True"
    assert run("import sys, neo4j", *hide, there) == "True False"


@pytest.mark.slow
def test_a_verb_reads_no_metadata_of_distributions() -> None:
    lines = [
        "import sys",
        "import atlas_db.cli.main, atlas_db.lineage.traversal",
        "print('importlib.metadata' in sys.modules)",
    ]
    assert run(*lines) == "False"
