"""Tests of `atlas_db/lineage/traversal.py`; depth, folding and output are tested at the command line."""

from __future__ import annotations

from pathlib import Path

from atlas_db.lineage.traversal import lineage
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows, model


def test_a_parent_that_the_hub_dropped_is_shown_as_gone(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [model("p/gone", tags=["license:llama2"])], as_of="2024-07-01")
    kid = model("kid/m", tags=["merge", "base_model:q/other", "base_model:finetune:q/other"])
    kid["cardData"] = {"base_model": ["p/gone", "p/never-seen", "q/other"]}
    load_rows(store, tmp_path, [kid, model("q/other")], as_of="2026-05-01")
    found = {step.parent: step for step in lineage(store, "kid/m").ancestors}
    assert {parent: (step.gone, step.last_seen) for parent, step in found.items()} == {
        "p/gone": (True, "2024-07-01"), "p/never-seen": (True, None), "q/other": (False, None),
    }  # fmt: skip
    assert (found["p/gone"].license, found["p/gone"].relation, found["q/other"].relation) == (
        "llama2",
        "merge",
        "merge",
    )
    assert [step.gone for step in lineage(store, "p/gone").descendants] == [False]
