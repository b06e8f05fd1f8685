"""`atlas-db fingerprint` and `chart` as processes: files in, files out, no store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.command import ATLAS, run, run_json
from tests.support.families import root, trained, write


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    base = root(1)
    tuned = trained(base, 2)
    lines = []
    for day, (name, weights) in enumerate({"a/base": base, "b/tuned": tuned, "c/copy": tuned}.items(), 1):
        write(folder / name, weights)
        lines.append({"id": name, "created_at": f"2024-01-0{day}T00:00:00.000Z", "folder": name})
    (folder / "d" / "broken").mkdir(parents=True)
    (folder / "d" / "broken" / "model.safetensors").write_bytes(b"\xff" * 40)
    (folder / "d" / "pickle").mkdir()
    (folder / "d" / "pickle" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    lines += [{"id": f"d/{name}", "created_at": None, "folder": f"d/{name}"} for name in ("broken", "pickle")]
    (folder / "hub.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def edges(path: Path) -> set[tuple[str, str, str]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(set(edge) == {"child", "parent", "relation", "confidence", "evidence"} for edge in found)
    assert all(0 <= edge["confidence"] <= 1 and edge["evidence"] for edge in found)
    return {(edge["child"], edge["parent"], edge["relation"]) for edge in found}


@pytest.mark.slow
def test_folders_to_edges_without_a_store(zoo: Path, tmp_path: Path) -> None:
    home, prints, out = tmp_path / "home", tmp_path / "fp.parquet", tmp_path / "edges.jsonl"
    report = run_json(home, "fingerprint", str(zoo), "--out", str(prints))
    assert (report["models"], report["made"], report["pickles"]) == (5, 3, 1)
    assert set(report["failed"]) == {"d/broken", "d/pickle"}
    assert "never opened" in report["failed"]["d/pickle"]
    run(home, "chart", str(prints), "--out", str(out))
    expected = {("b/tuned", "a/base", "finetune"), ("c/copy", "b/tuned", "duplicate")}
    assert edges(out) == expected
    rows = run_json(home, "chart", str(prints), "--no-refine")
    assert {(row["child"], row["parent"], row["relation"]) for row in rows} == expected
    assert not (home / "store").exists()
    assert "2 edges" in run(home, "chart", str(prints)).stdout


def test_what_is_abstained_from_keeps_its_family(zoo: Path, tmp_path: Path) -> None:
    prints, out, families = tmp_path / "fp.parquet", tmp_path / "edges.jsonl", tmp_path / "families.jsonl"
    run_json(tmp_path, "fingerprint", str(zoo), "--out", str(prints))
    observed = run(
        tmp_path, "chart", str(prints), "--min-confidence", "0.99", "--out", str(out), "--families", str(families)
    ).stdout
    assert edges(out) == set()
    assert "0 edges; 1 models with no parent here\n2 models with one of confidence below 0.99" in observed
    listed = {row.pop("model"): row for row in map(json.loads, families.read_text().splitlines())}
    assert {row["family"] for row in listed.values()} == {"a/base"}
    candidates = {name: set(row["candidates"]) for name, row in listed.items()}
    assert candidates == {"a/base": set(), "b/tuned": {"a/base"}, "c/copy": {"a/base", "b/tuned"}}


@pytest.mark.slow
def test_a_second_run_reads_only_what_changed(zoo: Path, tmp_path: Path) -> None:
    prints = tmp_path / "fp.parquet"
    run_json(tmp_path, "fingerprint", str(zoo), "--out", str(prints))
    again = run_json(tmp_path, "fingerprint", str(zoo), "--out", str(prints))
    assert (again["made"], again["kept"]) == (0, 3)
    os.utime(zoo / "a" / "base" / "model.safetensors")
    assert run_json(tmp_path, "fingerprint", str(zoo), "--out", str(prints))["made"] == 1
    assert pq.read_table(prints, columns=["id"])["id"].to_pylist() == ["a/base", "b/tuned", "c/copy"]


@pytest.mark.slow
def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / "models" / f"m{number}", root(number))
    prints = tmp_path / "fp.parquet"
    process = subprocess.Popen(
        [*ATLAS, "fingerprint", str(tmp_path / "models"), "--out", str(prints)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    time.sleep(1.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not prints.exists() or pq.read_table(prints).num_rows == 40
    report = run_json(tmp_path, "fingerprint", str(tmp_path / "models"), "--out", str(prints))
    assert report["made"] + report["kept"] == 40
    assert pq.read_table(prints).num_rows == 40


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("fingerprint", "nowhere", "--out", "x.parquet"), 3, "nowhere is not there"),
        (("fingerprint", ".", "--out", "x.parquet"), 3, "holds weights"),
        (("chart", "nowhere.parquet"), 3, "does not exist"),
        (("chart", "x.parquet", "--dry-run"), 2, "--store"),
    ],
)
def test_errors_end_with_what_to_do(tmp_path: Path, args: Any, code: int, message: str, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    error = run(tmp_path / "home", *args, code=code).stderr
    assert message in error


def test_a_listing_cannot_point_outside(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / "hub.jsonl").write_text('{"id": "a", "folder": "../.."}\n')
    error = run(tmp_path, "fingerprint", str(tmp_path / "zoo"), "--out", str(tmp_path / "x.parquet"), code=3).stderr
    assert "outside" in error
