"""Tests of `ingest/weights/fingerprints/batch.py`."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest.formats.open_model import OpenModel
from ingest.weights.fingerprints import batch
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from tests.support.families import VOCABULARY, root, trained, write


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


def test_files_that_are_not_read_are_counted_by_their_kind(tmp_path: Path) -> None:
    """The same model in another format, in a folder below, is no model of its own; alone it is one that fails by name."""
    write(tmp_path / "zoo" / "whole", root(1))
    (tmp_path / "zoo" / "whole" / "onnx").mkdir()
    (tmp_path / "zoo" / "whole" / "onnx" / "model.onnx").write_bytes(b"x")
    (tmp_path / "zoo" / "whole" / "tf_model.h5").write_bytes(b"x")
    for name, files in {
        "ov": ("m.bin", "m.xml"),
        "web/tflite": ("model.tflite",),
        "p": ("m.pt",),
    }.items():
        (tmp_path / "zoo" / name).mkdir(parents=True)
        for file in files:
            (tmp_path / "zoo" / name / file).write_bytes(b"x")
    models = find_models([tmp_path / "zoo"])
    assert [item.id for item in models] == ["ov", "p", "web/tflite", "whole"]
    report = fingerprint_all(models, tmp_path / "out.parquet", lambda *_: None)
    assert (report.made, report.pickles) == (1, 1)
    assert report.skipped == {"ONNX": 1, "Keras": 1, "OpenVINO": 1, "pickle": 1, "TensorFlow Lite": 1}
    assert {id: reason.split(" holds ")[1].split(" (")[0] for id, reason in report.failed.items()} == {
        "ov": "only OpenVINO", "web/tflite": "only TensorFlow Lite", "p": "only pickles",
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 3])
def test_a_fault_of_ours_costs_one_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "zoo" / name, root(1))
    compute = batch.compute_fingerprint

    def odd(model: OpenModel, model_id: str, created_at: str) -> Fingerprint:
        if model_id == "a":
            raise KeyError("weight")
        if model_id == "b":
            raise MemoryError
        return compute(model, model_id, created_at)

    monkeypatch.setattr(batch, "compute_fingerprint", odd)
    out = tmp_path / "out.parquet"
    report = fingerprint_all(
        find_models([tmp_path / "zoo"]), out, lambda *_: None, executor=ThreadPoolExecutor(workers)
    )
    assert (report.made, report.faults, list(report.failed)) == (1, 1, ["a", "b"])
    assert re.search(r"/a: a fault of atlas-db: KeyError at batch\.py:\d+ \('weight'\)", report.failed["a"])
    assert report.failed["b"].endswith("/b needs more memory than there is")
    assert [item.id for item in read_fingerprints([out])] == ["c"]


def test_a_matrix_of_more_rows_than_are_read_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "zoo" / "m", root(1))
    monkeypatch.setattr("ingest.formats.open_model.MAX_ROWS", VOCABULARY - 1)
    (item,) = find_models([tmp_path / "zoo"])
    report = fingerprint_all([item], tmp_path / "out.parquet", lambda *_: None, executor=ThreadPoolExecutor(1))
    (note,) = report.notes["m"]
    assert "256 rows of 64 elements (at most 255 and 33,554,432 are read): " in note and "embed_tokens" in note
    monkeypatch.setattr("ingest.formats.open_model.MAX_READ_ELEMENTS", 100)
    report = fingerprint_all([item], tmp_path / "other.parquet", lambda *_: None, executor=ThreadPoolExecutor(1))
    assert "read at once, more than 100" in report.failed["m"]
