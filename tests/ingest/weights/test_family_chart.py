"""Tests of `ingest/weights/family_chart.py`."""

from __future__ import annotations

from pathlib import Path

from ingest.weights.family_chart import chart_family
from ingest.weights.samples.resample import Resampler
from tests.support.families import print_of, root, trained, write


def test_only_the_named_tensors_are_compared(tmp_path: Path) -> None:
    """Two models that differ in the second layer alone are equal in all others."""
    base = root(1)
    tuned = {name: value if ".layers.1." not in name else trained(base, 2)[name] for name, value in base.items()}
    known = [
        print_of(write(tmp_path / name, weights), name, date)
        for name, weights, date in (("base", base, "2024-01-01"), ("tuned", tuned, "2024-01-02"))
    ]
    others = {name for name in known[0].sample.names if ".1." not in name}
    found = {
        key: [(edge.child, edge.parent, edge.relation.value) for edge in chart_family(known, Resampler(), tensors=key)]
        for key in (None, frozenset(others))
    }
    assert found == {None: [("tuned", "base", "finetune")], frozenset(others): [("tuned", "base", "duplicate")]}
