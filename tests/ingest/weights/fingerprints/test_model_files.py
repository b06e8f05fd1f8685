"""Tests of `ingest/weights/fingerprints/model_files.py`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atlas_db.core.errors import InputError
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import files_digest, find_models
from tests.support.families import root, write
from tests.support.hub_cache import write_cached
from tests.support.malformed import MALFORMED_JSON


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
