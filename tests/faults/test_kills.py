"""Kill -9 inside a stage, of the command and of the engine: run again, the stage ends in the graph of a calm run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.store.connect import open_store
from atlas_db.store.statements import Statement
from tests.support.command import run
from tests.support.faults import kill_inside
from tests.support.graphs import child, model, whole, write_rows
from tests.support.hubs import BRED

WIPE = Statement("MATCH (n) DETACH DELETE n")
KILLS = 2
"""Kills of a test, each inside the stage."""


@pytest.fixture
def prepared(own_engine: Settings, tmp_path: Path) -> Callable[..., tuple[list[str], object]]:
    """Return a function that prepares a stage: its command, and the graph that a calm run of it ends in."""

    def command(*words: str) -> None:
        run(tmp_path, *words, ATLAS_DB_STORE=own_engine.store, ATLAS_DB_HEAP=own_engine.heap)

    def prepare(stage: str) -> tuple[list[str], object]:
        rows = [*BRED[:900], model("a/base", tags=["license:gpl-3.0"])]
        rows += [child(f"a/m{n}", "a/base", tags=["license:mit"]) for n in range(500)]
        before = ["load", "--no-statistics", write_rows(tmp_path / "before.jsonl", rows)]
        newer = [
            child(row["id"], "a/base", tags=["license:apache-2.0"], createdAt="2024-02-01T00:00:00.000Z")
            for row in rows[:800]
        ]
        after = ["load", "--no-statistics", "--as-of", "2024-03-01", write_rows(tmp_path / "after.jsonl", newer)]
        words = {"first load": before, "newer load": after, "audit": ["audit", "--all"]}[stage]

        def begin() -> None:
            with open_store(own_engine) as store:
                store.write(lambda tx: tx.run(WIPE))
            with open_store(own_engine):
                pass
            if stage != "first load":
                command(*before)

        begin()
        command(*words)
        with open_store(own_engine) as store:
            calm = whole(store)
        begin()
        return words, calm

    return prepare


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "victim"),
    [("first load", "command"), ("first load", "engine"), ("newer load", "command"), ("audit", "engine")],
)
def test_a_stage_killed_inside_ends_in_the_same_graph(
    own_engine: Settings, tmp_path: Path, prepared: Callable[[str], tuple[list[str], object]], stage: str, victim: str
) -> None:
    words, calm = prepared(stage)
    moments = random.Random(f"{stage} {victim}")
    inside = 0
    for _ in range(4 * KILLS):
        inside += kill_inside(own_engine, tmp_path / "store", words, victim, moments.uniform(0, 0.5))
        if inside == KILLS:
            break
    assert inside, "no kill fell between the first and the last write"
    run(tmp_path, *words, ATLAS_DB_STORE=own_engine.store, ATLAS_DB_HEAP=own_engine.heap)
    with open_store(own_engine) as store:
        found = whole(store)
    changed = [set(one) ^ set(other) for one, other in zip(found, calm, strict=True)]
    assert found == calm, [sorted(each)[:6] for each in changed]
