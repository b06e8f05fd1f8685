"""Fuzzing that is led by the lines it reaches, in small, by its own command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz import TARGETS
from benchmarks.fuzz_seeds import read_seeds
from tests.support.paths import ROOT

pytest.importorskip("atheris", reason="its wheels are for Linux")


@pytest.mark.slow
def test_a_reader_is_fuzzed_and_its_corpus_is_kept(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.guided_fuzz", "licences", "--inputs", "3000", "--seconds", "600"]
    command += ["--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "found")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(re.findall(r"number_of_executed_units: +(\d+)", done.stderr)[0]) == 3000
    kept = {file.read_bytes() for file in (tmp_path / "corpus" / "licences").iterdir()}
    assert kept > {*TARGETS["licences"][0], *read_seeds("licences")}, "what reaches new lines is kept"
    assert list((tmp_path / "found").iterdir()) == []
