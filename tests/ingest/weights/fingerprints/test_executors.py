"""Tests of `ingest/weights/fingerprints/executors.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from atlas_db.core.errors import UsageError
from atlas_db.pipeline.sample import sample
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.executors import dask_executor, local_executor
from ingest.weights.fingerprints.model_files import find_models
from tests.support.command import run

WEIGHTS = sample() / "weights"


def _started(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], stderr=subprocess.DEVNULL
    )


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    words = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    boss = _started("dask_scheduler", *words)
    for _ in range(600):
        if file.is_file() and (text := file.read_text()).endswith("}"):
            break
        time.sleep(0.1)
    yield json.loads(text)["address"]
    boss.terminate()
    boss.wait(20)


@pytest.fixture(scope="module")
def crew(scheduler: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    words = ("dask_worker", scheduler, "--nthreads", "1", "--no-dashboard", "--no-nanny")
    workers = [_started(*words), _started(*words)]
    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    yield workers
    for worker in workers:
        worker.terminate()
        worker.wait(20)


@pytest.mark.slow
def test_a_cluster_without_workers_is_named(scheduler: str) -> None:
    with pytest.raises(UsageError, match=r"has no workers.*dask worker"), dask_executor(scheduler):
        pass


@pytest.mark.slow
def test_two_workers_make_the_same_file(crew: list[subprocess.Popen[bytes]], scheduler: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    report = fingerprint_all(find_models([WEIGHTS]), here, lambda *_: None)
    words = ("fingerprint", str(WEIGHTS), "--out", str(there), "--scheduler", scheduler, "--format", "json")
    assert json.loads(run(tmp_path / "home", *words).stdout)["made"] == report.made > 2
    assert there.read_bytes() == here.read_bytes()
    with Client(scheduler, set_as_default=False) as client:
        assert all(client.run(lambda dask_worker: dask_worker.state.executed_count > 0).values()), "both took part"


@pytest.mark.slow
def test_a_damaged_model_is_a_value_there_too(
    crew: list[subprocess.Popen[bytes]], scheduler: str, tmp_path: Path
) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "w")
    victim = next((tmp_path / "w").rglob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:200])
    with dask_executor(scheduler) as pool:
        report = fingerprint_all(find_models([tmp_path / "w"]), tmp_path / "fp.parquet", lambda *_: None, executor=pool)
    assert len(report.failed) == 1
    assert report.made == report.models - 1


@pytest.mark.slow
def test_an_address_where_nobody_listens_is_named(tmp_path: Path) -> None:
    words = ("fingerprint", str(WEIGHTS), "--out", "unused.parquet", "--scheduler", "tcp://127.0.0.1:1")
    done = run(tmp_path / "home", *words, code=2)
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in done.stderr
    assert "dask scheduler" in done.stderr


def test_a_process_that_dies_is_an_error_of_ours() -> None:
    with pytest.raises(UsageError, match="__main__"), local_executor(many=True) as pool:
        pool.submit(os._exit, 3).result()
