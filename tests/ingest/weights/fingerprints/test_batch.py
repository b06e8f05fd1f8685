"""Tests of `ingest/weights/fingerprints/batch.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import find_models
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
