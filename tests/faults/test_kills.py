"""Kill -9 inside a stage, of the command and of the engine: run again, the stage ends in the graph of a calm run.

`just faults` kills more often, in every stage. Tests kill a few times.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas_db.claims.runs import list_runs
from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import sample
from atlas_db.store.connect import open_store
from atlas_db.store.statements import Statement
from tests.support.command import run
from tests.support.faults import Victim, kill_inside
from tests.support.graphs import child, model, whole, write_rows
from tests.support.hubs import BRED, made_up

WIPE = Statement("MATCH (n) DETACH DELETE n")
KILLS = int(os.environ.get("ATLAS_DB_TEST_KILLS", "2"))
"""Kills of a test, each inside the stage."""
STAGES = ("first load", "newer load", "audit", "chart", "completion", "rollback of a load", "rollback of an audit")
PAIRS = [(stage, victim) for stage in STAGES for victim in Victim]
FEW = [
    ("first load", Victim.ENGINE), ("newer load", Victim.COMMAND), ("audit", Victim.ENGINE), ("chart", Victim.COMMAND),
    ("rollback of a load", Victim.ENGINE),
]  # fmt: skip
"""What the tests run, on the local engine. `tests/ingest/load/test_stream.py` kills commands of first loads."""


class Prepared:
    """Inputs and commands of the stages, on one engine."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self._folder = settings, folder
        self._older = [*BRED[:900], model("a/base", tags=["license:gpl-3.0"])]
        self._older += [child(f"a/m{n}", "a/base", tags=["license:mit"]) for n in range(500)]

    def command(self, *words: str) -> None:
        run(self._folder, *words, ATLAS_DB_STORE=self.settings.store, ATLAS_DB_HEAP=self.settings.heap)

    def _load(self, name: str, rows: list[dict[str, object]], *words: str) -> list[str]:
        return ["load", "--no-statistics", *words, write_rows(self._folder / f"{name}.jsonl", rows)]

    def commands(self, stage: str) -> list[list[str]]:
        """Return the commands before a stage, and last that of the stage; of a rollback its run is still missing."""
        older = self._load("older", self._older)
        newer = self._load(
            "newer",
            [
                child(str(row["id"]), "a/base", tags=["license:apache-2.0"], createdAt="2024-02-01T00:00:00.000Z")
                for row in self._older[:800]
            ],
            "--as-of",
            "2024-03-01",
        )
        audit, undo = ["audit", "--all"], ["runs", "rollback"]
        if stage == "chart":
            prints = self._folder / "fp.parquet"
            self.command("fingerprint", str(sample() / "weights"), "--out", str(prints))
            listed = ["load", "--no-statistics", str(sample() / "tiny.jsonl")]
            return [listed, ["chart", str(prints), "--store", self.settings.store]]
        if stage == "completion":
            return [
                self._load("made", made_up()),
                ["complete", "--attributes", "license,pipeline_tag", "--precision", "0.9"],
            ]
        return {
            "first load": [older], "newer load": [older, newer], "audit": [older, audit],
            "rollback of a load": [older, newer, undo], "rollback of an audit": [older, audit, undo],
        }[stage]  # fmt: skip

    def begin(self, stage: str) -> list[str]:
        """Make an empty store what it is before a stage; return the stage's command."""
        with open_store(self.settings) as store:
            store.write(lambda tx: tx.run(WIPE))
        with open_store(self.settings):
            pass
        *before, last = self.commands(stage)
        for words in before:
            self.command(*words)
        if last[-1] == "rollback":
            with open_store(self.settings) as store:
                last.append(list_runs(store)[0]["id"])
        return last


@pytest.fixture
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Prepared:
    return Prepared(request.getfixturevalue(request.param), tmp_path)


@pytest.fixture
def calm(prepared: Prepared) -> Callable[[str], object]:
    """Return a function that gives the graph in which a calm run of a stage ends."""

    def graph(stage: str) -> object:
        prepared.command(*prepared.begin(stage))
        with open_store(prepared.settings) as store:
            return whole(store)

    return graph


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepared", "stage", "victim"),
    [
        *(("own_engine", *each) for each in (PAIRS if KILLS > 2 else FEW)),
        *(pytest.param("own_neo4j", *each, marks=pytest.mark.neo4j) for each in PAIRS if KILLS > 2),
    ],
    indirect=["prepared"],
)
def test_a_stage_killed_inside_ends_in_the_same_graph(
    prepared: Prepared, calm: Callable[[str], tuple[list[str], list[str]]], tmp_path: Path, stage: str, victim: Victim
) -> None:
    expected = calm(stage)
    moments = random.Random(f"{stage} {victim}")
    words, inside = prepared.begin(stage), 0
    longest = 0.08 if stage == "completion" else 0.5  # it writes in one go
    for _ in range(4 * KILLS):
        inside += kill_inside(prepared.settings, tmp_path / "store", words, victim, moments.uniform(0, longest))
        if inside == KILLS:
            break
        with open_store(prepared.settings) as store:
            over = words[-2] == "rollback" and words[-1] not in {each["id"] for each in list_runs(store)}
        if over:  # nothing is left to roll back
            words = prepared.begin(stage)
    assert inside, "no kill fell between the first and the last write"
    prepared.command(*words)
    with open_store(prepared.settings) as store:
        found = whole(store)
    changed = [set(one) ^ set(other) for one, other in zip(found, expected, strict=True)]
    assert found == expected, [sorted(each)[:6] for each in changed]
