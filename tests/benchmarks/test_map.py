"""Tests of `benchmarks/map.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.map import ALONE, KEPT, make_frames, write_export


def test_made_up_families_follow_a_power_law_and_most_models_are_alone() -> None:
    atlas = make_frames(20_000)
    alone = (~atlas.forest.linked).mean()
    assert abs(alone - ALONE) < 0.02
    sizes = np.bincount(atlas.forest.root)[atlas.forest.largest(10**6)]
    assert sizes.max() > 20 * np.median(sizes)
    child = np.flatnonzero(atlas.forest.parent >= 0)
    license = atlas.graph.columns["license"].codes.first
    same = (license[child] == license[atlas.forest.parent[child]]).mean()
    assert KEPT < same < 1, "some that draw their own get their parent's"
    assert atlas.forest.depth.max() > 3
    assert make_frames(20_000).graph.ids == atlas.graph.ids


@pytest.mark.slow
def test_the_made_up_map_is_a_folder_as_an_export_writes_it(tmp_path: Path) -> None:
    write_export(2_000, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "The atlas: 2,000 models" in page
    for name in ("map.js", "sea.js", "places.js", "authors.js", "pages.js", "names/0.js"):
        assert (
            f"ATLAS.{'names' if '/' in name else {'map.js': 'chart', 'sea.js': 'rest'}.get(name, name[:-3])}("
            in ((tmp_path / "out" / "data" / name).read_text()[:40])
        ), name
