"""`atlas-db run`: the whole flow as a process, killed at every stage, and with little to work on."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import AS_OF, sample, sample_files
from atlas_db.store.connect import open_store
from atlas_db.store.managed_engine import stop_engine
from tests.support.command import ATLAS, run, run_json
from tests.support.graphs import whole

pytestmark = [pytest.mark.timeout(900), pytest.mark.engine, pytest.mark.slow]
STAGES = ["load", "fingerprint", "chart", "complete", "audit", "export"]
HUBS = [word for file in sample_files() for word in ("--hub", file)]
WEIGHTS = ["--weights", str(sample() / "weights")]


@pytest.fixture
def place(tmp_path: Path) -> Any:
    yield tmp_path
    for folder in tmp_path.glob("store*"):
        stop_engine(folder)


def flow(place: Path, name: str) -> list[str]:
    return ["run", *HUBS, *WEIGHTS, "--as-of", AS_OF, "--pages", "5", "--attributes", "pipeline_tag",
            "--out", str(place / f"out-{name}"), "--store", f"local:{place / f'store-{name}'}"]  # fmt: skip


def graph(place: Path, name: str) -> Any:
    with open_store(Settings(home=place / "home", store=f"local:{place / f'store-{name}'}", heap="512m")) as store:
        nodes, edges = whole(store)
    return [re.sub(r'"(?:audit|weights)_run_id": "[^"]*"', "", node) for node in nodes], edges


def predictions(file: Path) -> dict[tuple[str, str, str], float]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {(row["model_id"], row["attribute"], row["value"]): row["confidence"] for row in rows}


def killed_in(place: Path, words: list[str], stage: str) -> bool:
    """Start a run and kill it soon after a stage began; return whether it was still running then."""
    env = {**os.environ, "ATLAS_DB_HOME": str(place / "home"), "ATLAS_DB_HEAP": "1g"}
    with subprocess.Popen(
        [*ATLAS, *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split() == [stage, "begins"]:
                time.sleep(random.Random(stage).uniform(0.01, 0.3))
                process.send_signal(signal.SIGKILL)
                break
        return process.wait() == -signal.SIGKILL


def test_a_run_that_is_killed_in_every_stage_ends_in_the_same_graph(place: Path) -> None:
    clean = run_json(place / "home", *flow(place, "clean"))
    assert [(name, stage["state"]) for name, stage in clean["stages"].items()] == [(name, "done") for name in STAGES]
    words = flow(place, "hit")
    died = [stage for stage in STAGES if killed_in(place, words, stage)]
    assert len(died) >= 4, died
    last = run_json(place / "home", *words)
    assert last["atlas"] == clean["atlas"]
    assert graph(place, "hit") == graph(place, "clean")
    for file in ("edges.jsonl", "predictions.jsonl", "findings.csv"):
        assert (place / "out-hit" / file).read_bytes() == (place / "out-clean" / file).read_bytes()
    again = run_json(place / "home", *words)
    assert {stage["state"] for stage in again["stages"].values()} == {"kept"}
    assert set(run_json(place / "home", *words, "--dry-run").values()) == {"kept"}
    # What was taken back is done again, and what rests on it; the rest is kept.
    run(place / "home", "runs", "rollback", again["stages"]["chart"]["run_id"], "--store", words[-1])
    wanted = run_json(place / "home", *words, "--dry-run")
    assert [name for name, state in wanted.items() if state == "done"] == ["chart", "complete", "audit", "export"]


def test_what_a_run_leaves(place: Path) -> None:
    out = place / "out"
    words = ["run", "--hub", sample_files()[2], *WEIGHTS, "--out", str(out), "--store", f"local:{place / 'store'}"]
    text = run(place / "home", *words).stdout
    report = json.loads((out / "report.json").read_text())
    assert report["stages"]["complete"]["state"] == "skipped"
    assert "too little" in report["stages"]["complete"]["reason"] or "no attribute" in text
    assert report["atlas"]["lineage"] == {
        "verified": 3, "declared": 0, "undeclared": 4, "predicted": 0, "contradicted": 1,
    }  # fmt: skip
    with (out / "findings.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == sum(each["findings"] for each in report["atlas"]["findings"])
    worst = {(row["model"], row["ancestor"]) for row in rows if row["verdict"] == "violation"}
    assert ("atlas-demo/tern-chat", "atlas-demo/tern") in worst
    truth = [json.loads(line) for line in (sample() / "weights" / "truth.jsonl").read_text().splitlines()]
    edges = [json.loads(line) for line in (out / "edges.jsonl").read_text().splitlines()]
    keys = ("child", "parent", "relation")
    assert sorted([e[k] for k in keys] for e in edges) == sorted([t[k] for k in keys] for t in truth)
    assert (out / "site" / "index.html").is_file()
    for stage in report["stages"].values():
        assert stage["state"] == "skipped" or (stage["seconds"] > 0 and stage["memory"] > 2**20)


def test_without_weights_and_with_damaged_ones_the_run_goes_on(place: Path) -> None:
    store = f"local:{place / 'store'}"
    words = ["run", "--hub", sample_files()[2], "--out", str(place / "out"), "--store", store, "--pages", "0"]
    stages = run_json(place / "home", *words)["stages"]
    assert (stages["fingerprint"]["state"], stages["chart"]["state"]) == ("skipped", "skipped")
    assert stages["fingerprint"]["reason"] == "no weights were given"
    broken = place / "weights" / "broken"
    broken.mkdir(parents=True)
    (broken / "model.safetensors").write_bytes(b"\xff" * 40)
    stages = run_json(place / "home", *words, "--weights", str(place / "weights"))["stages"]
    assert stages["load"]["state"] == "kept"
    assert list(stages["fingerprint"]["counts"]["failed"]) == ["broken"]
    assert stages["chart"]["state"] == "skipped"


def test_a_plan_in_a_file_and_words_before_it(place: Path) -> None:
    (place / "tiny.jsonl").write_text(Path(sample_files()[2]).read_text())
    plan = place / "plan.toml"
    plan.write_text(f'hub = ["tiny.jsonl"]\nout = "./results"\nstore = "local:{place / "store"}"\nprofile = "strict"\n')
    assert run_json(place / "home", "run", str(plan), "--dry-run") == dict.fromkeys(STAGES, "done")
    report = run_json(place / "home", "run", str(plan), "--profile", "lenient", "--pages", "0")
    assert report["out"] == str(place / "results")
    runs = run_json(place / "home", "runs", "--store", f"local:{place / 'store'}")["runs"]
    assert next(each for each in runs if each["kind"] == "audit")["parameters"]["profile"] == "lenient"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run"], 2, "run needs the option hub"),
        (["run", "--hub", "x.jsonl"], 2, "--out DIR"),
        (["run", "--hub", "/no/such.jsonl", "--out", "o"], 3, "does not exist"),
        (["run", "--hub", "-", "--out", "o"], 2, "standard input"),
        (["run", "--hub", HUBS[5], "--out", "/proc/o"], 2, "cannot be made"),
        (
            ["run", "--hub", HUBS[5], "--out", "o", "--attributes", "colour"],
            2,
            "there is no attribute 'colour' to complete",
        ),
        (["run", "--hub", HUBS[5], "--out", "o", "--profile", "kind"], 2, "Profiles: "),
        (["run", "--hub", HUBS[5], "--out", "o", "--weights", "/no/where"], 3, "is not there"),
        (["run", "no-plan.toml"], 2, "cannot be read"),
    ],
)
def test_wrong_words_are_found_before_anything_is_done(place: Path, words: list[str], code: int, message: str) -> None:
    done = run(place / "home", *[word if word != "o" else str(place / "out") for word in words], code=code)
    assert message in " ".join(done.stderr.split())
    assert not (place / "home" / "stores").exists()


def test_the_packaged_predictions_are_those_of_completion(demo_made: Path) -> None:
    report = json.loads((demo_made / "demo" / "report.json").read_text())
    assert "from" not in report["stages"]["complete"]["counts"]  # it completed: it did not read the packaged ones
    made, packaged = (predictions(place / "predictions.jsonl") for place in (demo_made / "demo", sample()))
    # Floating point differs between machines: almost all values, and their confidence closely.
    assert len(made.keys() & packaged.keys()) >= 0.95 * len(made.keys() | packaged.keys())
    assert max(abs(made[key] - packaged[key]) for key in made.keys() & packaged.keys()) < 0.1
