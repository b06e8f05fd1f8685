"""Tests of `ingest/weights/fingerprints/batch.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingest.weights.fingerprints.batch import find_models, fingerprint_all
from tests.support.families import root, trained, write


def test_a_batch_does_not_depend_on_who_computes(tmp_path: Path) -> None:
    for seed in range(5):
        write(tmp_path / "zoo" / f"m{seed}", trained(root(1), seed))
    models = find_models([tmp_path / "zoo"])
    assert [item.id for item in models] == [f"m{seed}" for seed in range(5)]
    outs = []
    for workers in (1, 3):
        out = tmp_path / f"{workers}.parquet"
        fingerprint_all(models, out, lambda *_: None, executor=ThreadPoolExecutor(workers))
        outs.append(out.read_bytes())
    assert outs[0] == outs[1]
