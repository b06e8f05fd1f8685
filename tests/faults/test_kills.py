"""Kill -9 inside a stage, of the command and of the engine: run again, the stage ends in the graph of a calm run.

`just faults` kills more often, in every stage. Tests kill a few times.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from atlas_db.claims.runs import list_runs
from atlas_db.core.settings import Settings
from atlas_db.export.write_export import MANIFEST
from atlas_db.pipeline.sample import sample
from atlas_db.store.connect import open_store
from atlas_db.store.statements import Statement
from tests.support.command import run
from tests.support.faults import Victim, is_complete, kill_inside, seconds_inside
from tests.support.graphs import child, model, whole, write_rows
from tests.support.hubs import BRED, made_up
from tests.support.tables import rows_of

WIPE = Statement("MATCH (n) DETACH DELETE n")
EXPORT = ("export", "--to", "jsonl", "--out")
KILLS = int(os.environ.get("ATLAS_DB_TEST_KILLS", "2"))
"""Kills of a test, each inside the stage."""
STAGES = (
    "first load", "newer load", "relink", "audit", "chart", "completion", "rollback of a load", "rollback of an audit",
    "export",
)  # fmt: skip
"""A relink is the part of a load that writes lineage: its first write is an edge between models."""
TRIES = 6
"""Attempts for each kill: what went on after a kill is shorter than a whole stage, so that some kills come too late."""
PAIRS = [(stage, victim) for stage in STAGES for victim in Victim]
FEW = [
    ("first load", Victim.ENGINE), ("relink", Victim.COMMAND), ("audit", Victim.ENGINE), ("chart", Victim.COMMAND),
    ("rollback of a load", Victim.ENGINE), ("export", Victim.ENGINE),
]  # fmt: skip
"""What the tests run, on the local engine. `tests/ingest/load/test_stream.py` kills commands of first loads."""


class Prepared:
    """Inputs and commands of the stages, on one engine."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self._folder, self.exported = settings, folder, folder / "exported"
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
            "first load": [older], "newer load": [older, newer], "relink": [older, newer], "audit": [older, audit],
            "export": [older, [*EXPORT, str(self.exported)]], "rollback of a load": [older, newer, undo], "rollback of an audit": [older, audit, undo],
        }[stage]  # fmt: skip

    def begin(self, stage: str) -> list[str]:
        """Make an empty store what it is before a stage; return the stage's command."""
        with open_store(self.settings) as store:
            store.write(lambda tx: tx.run(WIPE))
        shutil.rmtree(self.exported, ignore_errors=True)
        with open_store(self.settings):
            pass
        *before, last = self.commands(stage)
        for words in before:
            self.command(*words)
        if last[-1] == "rollback":
            with open_store(self.settings) as store:
                last.append(list_runs(store)[0]["id"])
        return last

    def graph(self) -> tuple[list[str], list[str]]:
        with open_store(self.settings) as store:
            return whole(store)

    def assert_exported(self) -> None:
        """Compare the export with one that nobody disturbed."""
        calm = self._folder / "calm"
        shutil.rmtree(calm, ignore_errors=True)
        self.command(*EXPORT, str(calm))
        assert is_complete(self.exported / MANIFEST)
        names = sorted(file.name for file in calm.iterdir())
        assert sorted(file.name for file in self.exported.iterdir()) == names
        for name in names:
            assert name == MANIFEST or rows_of(self.exported / name) == rows_of(calm / name), name


@pytest.fixture
def prepared(request: pytest.FixtureRequest, tmp_path: Path) -> Prepared:
    return Prepared(request.getfixturevalue(request.param), tmp_path)


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
    prepared: Prepared, tmp_path: Path, stage: str, victim: Victim
) -> None:
    longest = seconds_inside(prepared.settings, stage, prepared.begin(stage))
    expected, moments = prepared.graph(), random.Random(f"{stage} {victim}")

    def assert_same() -> None:
        found = prepared.graph()
        changed = [set(one) ^ set(other) for one, other in zip(found, expected, strict=True)]
        assert found == expected, [sorted(each)[:6] for each in changed]
        if stage == "export":
            prepared.assert_exported()

    words, inside = prepared.begin(stage), 0
    for _ in range(TRIES * KILLS):
        delay = moments.uniform(0, longest)
        if kill_inside(prepared.settings, tmp_path / "store", stage, words, victim, delay):
            inside += 1
            if inside == KILLS:
                break
        else:  # It came after the last write: what it left is judged, and the stage begins anew.
            assert_same()
            words = prepared.begin(stage)
    assert inside == KILLS, f"{inside} of {KILLS} kills fell between the first and the last write"
    prepared.command(*words)
    assert_same()
