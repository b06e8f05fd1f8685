"""Tests of `atlas_db/analysis/snapshot_diff.py`."""

from __future__ import annotations

from typing import Any

from atlas_db.analysis.snapshot_diff import SnapshotEntry, compare_snapshots


def test_differences_of_snapshots() -> None:
    before = {
        "a": SnapshotEntry("mit", ()),
        "b": SnapshotEntry("llama2", ("x",)),
        "c": SnapshotEntry(None, ("x",)),
        "gone": SnapshotEntry(None, ()),
    }
    after = {
        "a": SnapshotEntry("mit", ()),
        "b": SnapshotEntry("mit", ("x",)),
        "c": SnapshotEntry(None, ("y", "z")),
        "made": SnapshotEntry(None, ()),
    }
    found = compare_snapshots(before, after)
    assert (found.new, found.vanished) == (["made"], ["gone"])
    assert found.licenses == [{"model": "b", "before": "llama2", "after": "mit", "direction": "looser"}]
    assert found.moved == [{"model": "c", "before": ["x"], "after": ["y", "z"]}]
    assert found.counts() == {"models": [4, 4], "new": 1, "vanished": 1, "licenses": {"looser": 1}, "moved": 1}
    nothing: Any = compare_snapshots(after, after)
    assert nothing.counts() == {"models": [4, 4], "new": 0, "vanished": 0, "licenses": {}, "moved": 0}
