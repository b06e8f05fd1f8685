"""Tests of `ingest/weights/tree/adapter_edges.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.terms import Relation
from ingest.formats.open_model import open_model
from ingest.weights.pairwise.adapter_base import adapter_factors, energy_in_update
from ingest.weights.tree.adapter_edges import adapter_edges
from ingest.weights.tree.edge import Edge
from tests.support.changes import adapter
from tests.support.families import LAYERS, print_of, root, trained, write


def test_an_adapter_is_of_the_member_whose_gradients_it_is_made_of(tmp_path: Path) -> None:
    base, family = root(1), {"base": root(1)}
    family |= {f"child{seed}": trained(base, seed, 1.0) for seed in (2, 3, 4)}
    made = {name: write(tmp_path / name, weights) for name, weights in family.items()}
    for name, weights in family.items():
        with open_model(adapter(tmp_path / f"of-{name}", weights)) as model:
            parts = adapter_factors(model)
        assert len(parts) == LAYERS
        read = {}
        for other, folder in made.items():
            with open_model(folder) as model:
                measured = energy_in_update(parts, model)
            assert measured is not None
            read[other] = measured[1]
        assert max(read, key=lambda other: read[other]) == name, read
    prints = [print_of(folder, name, "2024-01-01") for name, folder in made.items()]
    prints.append(print_of(tmp_path / "of-child2", "adapter", "2024-02-01"))
    (edge,) = adapter_edges(
        prints, [Edge(f"child{seed}", "base", Relation.FINETUNE, 0.9, {}) for seed in (2, 3, 4)], time=True
    )
    listed = {edge.parent: edge.confidence} | edge.evidence.alternatives
    assert listed.keys() == made.keys() and max(listed.values()) == edge.confidence
    assert sum(listed.values()) == pytest.approx(1, abs=0.01)
