"""Tests of `benchmarks/null_pairs.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.null_pairs import main


@pytest.mark.train
def test_independent_roots_have_no_edges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--seed", "3", "roots", str(tmp_path / "roots"), "--roots", "6"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("dates: 0 edges among 15 pairs")
    assert lines[1].startswith("no dates: 0 edges among 15 pairs")
    assert lines[2].startswith("cosine, rate ≤ 0.001: 0.00000 of 15 pairs")
