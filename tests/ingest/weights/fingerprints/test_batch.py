"""Tests of `ingest/weights/fingerprints/batch.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atlas_db.core.errors import InputError
from ingest.weights.fingerprints.batch import files_digest, find_models, fingerprint_all
from tests.support.families import root, trained, write
from tests.support.hub_cache import write_cached
from tests.support.malformed import MALFORMED_JSON


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


def test_models_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    """They have their ids, of one snapshot each; a broken entry fails by name, and the others are computed."""
    from huggingface_hub import scan_cache_dir

    write(tmp_path / "plain", root(1))
    weights = (tmp_path / "plain" / "model.safetensors").read_bytes()
    hub = tmp_path / "hub"
    for revision in ("aa", "bb"):
        write_cached(hub, "models--acme--river", {"model.safetensors": weights}, revision=revision, main="aa")
    write_cached(hub, "models--gpt2", {"model.safetensors": weights, "unet/model.safetensors": weights})
    write_cached(hub, "datasets--acme--pond", {"model.safetensors": weights})
    write_cached(hub, "models--acme--words", {"tokenizer.json": b"{}"})
    assert {repo.repo_id for repo in scan_cache_dir(hub).repos} == {"acme/river", "gpt2", "acme/pond", "acme/words"}
    torn = write_cached(hub, "models--acme--torn", {"model.safetensors": weights}) / "model.safetensors"
    torn.resolve().unlink()
    (hub / "models--acme--empty" / "refs").mkdir(parents=True)
    models = find_models([tmp_path])
    assert [item.id for item in models] == ["acme/empty", "acme/river", "acme/torn", "gpt2", "gpt2/unet", "plain"]
    assert models[1].folder.endswith("/models--acme--river/snapshots/aa")
    assert [item.id for item in find_models([hub / "models--gpt2"])] == ["gpt2", "gpt2/unet"]
    report = fingerprint_all(models, tmp_path / "out.parquet", lambda *_: None, executor=ThreadPoolExecutor(1))
    assert report.failed == {
        "acme/empty": "models--acme--empty has no snapshot",
        "acme/torn": "model.safetensors links to a file that is not there",
    }
    assert (report.made, report.notes) == (4, {})


@pytest.mark.parametrize("name", ["acme/river", "hf://acme/river", "hf://models/acme/river"])
def test_a_repository_is_read_from_the_cache_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Nothing is requested: no Hub is there."""
    from huggingface_hub import constants

    write(tmp_path / "plain", root(1))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    weights = (tmp_path / "plain" / "model.safetensors").read_bytes()
    folder = write_cached(tmp_path / "hub", "models--acme--river", {"model.safetensors": weights}, main="0a1b")
    assert [(item.id, item.folder) for item in find_models([Path(name)])] == [("acme/river", str(folder))]
    with pytest.raises(InputError, match="hf://owner/name"):
        find_models([Path("hf://acme/river/more")])


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


def test_a_changed_file_in_a_folder_below_is_a_changed_model(tmp_path: Path) -> None:
    (tmp_path / "m" / "onnx").mkdir(parents=True)
    (tmp_path / "m" / "onnx" / "model.onnx").write_bytes(b"x")
    before = files_digest(tmp_path / "m")
    (tmp_path / "m" / "onnx" / "model.onnx").write_bytes(b"xy")
    assert files_digest(tmp_path / "m") != before


@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=MALFORMED_JSON)
def test_a_list_of_modules_that_cannot_be_read_hides_no_model(tmp_path: Path, body: bytes) -> None:
    write(tmp_path / "m", root(1))
    write(tmp_path / "m" / "2_Dense", root(1))
    (tmp_path / "m" / "modules.json").write_bytes(body)
    assert [item.id for item in find_models([tmp_path])] == ["m", "m/2_Dense"]
