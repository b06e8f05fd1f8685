"""Tests of `ingest/weights/fingerprints/model_files.py`."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atlas_db.core.errors import InputError
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import files_digest, find_models
from ingest.weights.fingerprints.parquet import read_fingerprints
from tests.support.families import root, trained, write
from tests.support.hub_cache import write_cached
from tests.support.malformed import DEEP, MALFORMED_JSON


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


LINES = {
    "no JSON": b"{",
    "a list": b"[1]",
    "no folder": b'{"id": "a/b"}',
    "a number": b'{"id": 7, "folder": "m"}',
    "not UTF-8": b'{"id": "\xff", "folder": "m"}',
    "deep": b'{"id": "a/b", "folder": "m", "x": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "too long": b'{"id": "a/b", "folder": "m", "x": "' + b"x" * 5000 + b'"}',
    "outside": b'{"id": "a/b", "folder": "../m"}',
    "absolute": b'{"id": "a/b", "folder": "/etc"}',
    "a null byte": b'{"id": "a/b", "folder": "m\\u0000"}',
    "a ring": b'{"id": "a/b", "folder": "ring"}',
    "no id": b'{"id": " ", "folder": "m"}',
    "an id with a line feed": b'{"id": "a/b\\n", "folder": "m"}',
    "an id with an escape": b'{"id": "a/\\u001b[31mb", "folder": "m"}',
    "an id without an owner": b'{"id": "/b", "folder": "m"}',
    "an id of an origin": b'{"id": "origin:b", "folder": "m"}',
    "an id without an end": b'{"id": "%b", "folder": "m"}' % (b"a" * 600),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_cannot_be_used_is_set_aside_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("ingest.hub.snapshot.MAX_LINE", 8000)
    monkeypatch.setattr("ingest.hub.snapshot.CHUNK", 100)
    if name == "too long":
        monkeypatch.setattr("ingest.hub.snapshot.MAX_LINE", 4000)
    write(tmp_path / "m", root(1))
    (tmp_path / "ring").symlink_to("ring")
    good = b'{"id": "%b", "folder": "m", "created_at": "2024-01-02T00:00:00.000Z"}'
    (tmp_path / "hub.jsonl").write_bytes(b"\n".join([good % b"c/d", LINES[name], b"", good % b"e/f"]))
    models = find_models([tmp_path])
    assert [item.id for item in models if not item.problem] == ["c/d", "e/f"]
    ((failed, reason),) = ((item.id, item.problem) for item in models if item.problem)
    report = fingerprint_all(models, tmp_path / "out.parquet", lambda *_: None)
    assert failed == "hub.jsonl line 2"
    assert reason.startswith(f"{tmp_path / 'hub.jsonl'} line 2: ") and len(reason) < len(str(tmp_path)) + 700
    assert (report.made, list(report.failed)) == (2, ["hub.jsonl line 2"])


def test_a_folder_whose_name_is_too_long_for_the_disk_fails_by_name(tmp_path: Path) -> None:
    line = {"id": "a/b", "folder": "m" * 3000}
    (tmp_path / "hub.jsonl").write_text(json.dumps(line))
    report = fingerprint_all(find_models([tmp_path]), tmp_path / "out.parquet", lambda *_: None)
    assert "File name too long" in report.failed["a/b"]


def test_odd_ids_and_dates_of_a_listing_are_noted(tmp_path: Path) -> None:
    write(tmp_path / "m", root(1))
    rows = [("https://huggingface.co/a/b", "soon"), ("two words", None), ("c/d", "2024-01-02")]
    lines = [json.dumps({"id": name, "folder": "m", "created_at": created}) for name, created in rows]
    (tmp_path / "hub.jsonl").write_text("\n".join(lines))
    found = {item.id: (item.created_at, len(item.notes)) for item in find_models([tmp_path])}
    assert found == {"a/b": ("", 2), "two words": ("", 1), "c/d": ("2024-01-02", 0)}


def test_a_listing_that_ends_early_keeps_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path / "m", root(1))
    (tmp_path / "hub.jsonl").write_text('[{"id": "a/b", "folder": "m"}, {"id')
    found = find_models([tmp_path])
    assert [(item.id, bool(item.problem)) for item in found] == [("a/b", False), ("hub.jsonl", True)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"li\nne", r"li\nne"), (b"ta\tb", r"ta\tb"), (b"e\x1b[31msc", r"e\x1b[31msc"), (b"origin:0a", "origin:0a"),
     (b"a" * 200 + b"/" + b"b" * 200 + b"/" + b"c" * 200, "a" * 77 + "...")],
)  # fmt: skip
def test_a_folder_whose_name_can_be_no_id_fails_by_name(tmp_path: Path, name: bytes, shown: str) -> None:
    write(tmp_path / "zoo" / "good", root(1))
    write(tmp_path / "zoo" / os.fsdecode(name), root(1))
    models = find_models([tmp_path / "zoo"])
    assert sorted(item.id for item in models) == sorted(["good", shown])
    (reason,) = (item.problem for item in models if item.problem)
    assert reason.startswith("the id") and "rename it" in reason
    for file in ("m\nn.safetensors", "origin:1.safetensors"):
        (tmp_path / file).write_bytes((tmp_path / "zoo" / "good" / "model.safetensors").read_bytes())
        assert find_models([tmp_path / file])[0].problem.startswith("the id")


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    write(tmp_path / "zoo" / "good", root(1))
    write(tmp_path / "zoo" / os.fsdecode(b"b\xffd"), trained(root(1), 2))
    out = tmp_path / "out.parquet"
    report = fingerprint_all(find_models([tmp_path / "zoo"]), out, lambda *_: None)
    assert (report.made, report.failed) == (2, {})
    assert [item.id for item in read_fingerprints([out])] == ["b\ufffdd", "good"]


def test_a_fault_while_a_folder_is_looked_at_costs_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, root(1))

    def odd(folder: Path) -> list[object]:
        if folder.name == "a":
            raise TypeError("odd")
        return []

    monkeypatch.setattr("ingest.weights.fingerprints.model_files.loose_models", odd)
    problems = {item.id: item.problem for item in find_models([tmp_path])}
    assert problems["b"] == "" and "a fault of atlas-db: TypeError at model_files.py:" in problems["a"]
