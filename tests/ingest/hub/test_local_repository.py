"""Tests of `ingest/hub/local_repository.py`: the Hub's cache and folders of weights, as `load` reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from atlas_db.core.errors import RecordError
from atlas_db.core.records import HubRecord
from ingest.hub.decode import decode_record
from ingest.hub.local_repository import cached_repository, card_in
from ingest.hub.snapshot import find_inputs, read_records
from tests.support.hub_cache import write_cached

CARD = b"---\nlicense: mit\n---\n# A card\n"
WEIGHTS = (2).to_bytes(8, "little") + b"{}"
"""A safetensors file without tensors."""
CONFIG = json.dumps({"model_type": "llama"}).encode()


def loaded(*places: Path) -> list[tuple[HubRecord, list[str]]]:
    """The records under some places, as a load reads them, each with its notes."""
    found = []
    for source in find_inputs([str(place) for place in places], places[0]):
        for raw in read_records(source):
            record = decode_record(raw.text, source.kind)
            found.append((record, [text for _, text in (*raw.notes, *record.notes)]))
    return found


def ids(*places: Path) -> list[tuple[str, str]]:
    return [(record.kind, record.id) for record, _ in loaded(*places)]


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    hub = tmp_path / "home" / "hub"
    write_cached(hub, "models--gpt2", {"README.md": CARD, "config.json": CONFIG, "tokenizer.json": b"{}"})
    write_cached(hub, "models--acme--river", {"readme.md": CARD, "onnx/config.json": CONFIG})
    write_cached(hub, "datasets--acme--pond", {"README.md": CARD, "rows.jsonl": b'{"id": "no/record"}\n'})
    write_cached(hub, "models--acme--no-card", {"config.json": CONFIG, "model.safetensors": WEIGHTS})
    return hub


def test_ids_and_kinds_are_those_of_the_hub_library(hub: Path) -> None:
    from huggingface_hub import scan_cache_dir

    theirs = sorted((repo.repo_type, repo.repo_id) for repo in scan_cache_dir(hub).repos)
    assert sorted(ids(hub)) == sorted(ids(hub.parent)) == theirs
    for repo in scan_cache_dir(hub).repos:
        (revision,) = repo.revisions
        for place in (repo.repo_path, repo.repo_path / "snapshots", revision.snapshot_path):
            assert ids(place) == [(repo.repo_type, repo.repo_id)], place
        found = cached_repository(revision.snapshot_path)
        assert found is not None
        assert found.revision == revision.commit_hash


def test_what_a_cached_repository_states(hub: Path) -> None:
    records = {record.id: record for record, _ in loaded(hub)}
    assert records["gpt2"].details["model_type"] == "llama"
    assert {(claim.rel, claim.value) for claim in records["acme/pond"].claims} == {("HAS_LICENSE", "mit")}
    assert {record.details["sha"] for record in records.values()} == {"0a1b"}
    # A cache may hold a part of the files only.
    assert not any("license_files" in record.details for record in records.values())
    assert ids(hub / "models--gpt2" / "snapshots" / "0a1b" / "README.md") == [("model", "gpt2")]
    assert not [notes for _, notes in loaded(hub) if notes]


def test_of_several_snapshots_main_is_read(tmp_path: Path) -> None:
    for number, revision in enumerate(("aa", "bb", "cc")):
        text = f"---\nlicense: l-{revision}\n---\n".encode()
        snapshot = write_cached(tmp_path, "models--acme--river", {"README.md": text}, revision=revision, main="bb")
        os.utime(snapshot, (number, number))
    ((record, notes),) = loaded(tmp_path)
    assert (record.details["license"], record.details["sha"], notes) == ("l-bb", "bb", [])
    ((record, notes),) = loaded(tmp_path / "models--acme--river" / "snapshots" / "aa")
    assert record.details["sha"] == "aa"
    (tmp_path / "models--acme--river" / "refs" / "main").write_text("dd")
    ((record, notes),) = loaded(tmp_path)
    assert (record.details["sha"], notes) == ("cc", ["refs/main names dd, which is not there; cc was read"])
    (tmp_path / "models--acme--river" / "refs" / "main").unlink()
    ((record, notes),) = loaded(tmp_path)
    assert (record.details["sha"], notes) == ("cc", ["no refs/main; cc was read, the newest of 3"])


def test_broken_entries_are_named_and_the_others_are_read(hub: Path) -> None:
    snapshot = write_cached(hub, "models--acme--torn", {"README.md": CARD, "model.safetensors": WEIGHTS})
    (snapshot / "README.md").resolve().unlink()
    (hub / "models--acme--empty" / "blobs").mkdir(parents=True)
    (hub / "models--acme--blank" / "snapshots").mkdir(parents=True)
    write_cached(hub, "spaces--acme--app", {"README.md": CARD})
    write_cached(hub, "models--acme--odd", {"README.md": CARD, "config.json": b"[1]"})
    said: dict[str, str] = {}
    for source in find_inputs([str(hub)], hub):
        try:
            for raw in read_records(source):
                said[decode_record(raw.text, source.kind).id] = "; ".join(text for _, text in raw.notes)
        except RecordError as error:
            said[Path(source.name).name] = f"{error.code}: {error.message}"
    assert {name: text for name, text in said.items() if text} == {
        "acme/torn": "README.md links to a file that is not there",
        "acme/odd": "config.json: it holds no object",
        "models--acme--empty": "broken_cache: models--acme--empty has no snapshot",
        "models--acme--blank": "broken_cache: models--acme--blank has no snapshot",
        "spaces--acme--app": "unknown_kind: acme/app is a space, not a model or dataset",
    }
    assert {"gpt2", "acme/river", "acme/pond", "acme/no-card"} < said.keys()


def test_a_folder_of_weights_is_one_model(tmp_path: Path) -> None:
    own = tmp_path / "own"
    for name, files in {
        "full": {"README.md": CARD, "config.json": CONFIG, "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"},
        "diffusers": {"model_index.json": b"{}", "unet/config.json": b'{"x": 1}', "unet/weights.safetensors": WEIGHTS},
        "adapter": {"adapter_config.json": b'{"peft_type": "LORA"}', "adapter_model.safetensors": WEIGHTS},
        "infinite": {"config.json": b'{"architectures": ["Mamba2"], "model_type": "mamba2", "limit": [0, Infinity]}'},
        "torn": {"config.json": b"{", "model.gguf": b""},
    }.items():
        for file, body in files.items():
            (own / name / file).parent.mkdir(parents=True, exist_ok=True)
            (own / name / file).write_bytes(body)
    records = {record.id: (record, notes) for record, notes in loaded(own)}
    assert sorted(records) == ["own/adapter", "own/diffusers", "own/full", "own/infinite", "own/torn"]
    assert records["own/full"][0].details["license"] == "mit"
    assert records["own/infinite"][0].details["model_type"] == "mamba2"
    assert {name: len(notes) for name, (_, notes) in records.items() if notes} == {"own/torn": 2}
    assert records["own/torn"][1][0].startswith("config.json: ")
    assert ids(own / "full") == [("model", "own/full")]


def test_lists_beside_weights_are_still_lists(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"")
    (tmp_path / "config.json").write_bytes(CONFIG)
    (tmp_path / "models.jsonl").write_text('{"id": "a/b"}\n')
    assert ids(tmp_path) == [("model", f"{tmp_path.parent.name}/{tmp_path.name}"), ("model", "a/b")]
    (tmp_path / "model.gguf").unlink()
    (tmp_path / "config.json").write_text('{"id": "c/d", "likes": 3}')  # no configuration of a model
    assert ids(tmp_path) == [("model", "c/d"), ("model", "a/b")]


def test_cards_in_any_case(tmp_path: Path) -> None:
    assert card_in(tmp_path) is None
    for name in ("ReadMe.MD", "readme.md", "README.md"):
        (tmp_path / name).write_bytes(CARD)
    assert card_in(tmp_path) == tmp_path / "README.md"
    (tmp_path / "README.md").unlink()
    assert card_in(tmp_path) == tmp_path / "ReadMe.MD"


ADAPTER = json.dumps({"base_model_name_or_path": "acme/river", "peft_type": "LORA"}).encode()
PLAIN = b"# Quantizations of River\n"
BASE = b"---\nbase_model: acme/river\nbase_model_relation: quantized\n---\n"


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    return root


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("river-quants", {"README.md": BASE, "Q4_K_M/a.gguf": b"", "Q8_0/b.gguf": b""}),
        ("river", {"README.md": CARD, "lora/adapter_config.json": ADAPTER}),
        ("river-GGUF", {"readme.md": PLAIN, "small/a.gguf": b"", "large/b.gguf": b""}),
        ("river", {"README.md": PLAIN, "IQ3_XS/a.gguf": b"", "bf16/b-00001-of-00002.gguf": b""}),
        ("river", {"README.md": BASE, "gguf/Q4_0/a.gguf": b"", "docs/notes.txt": b"x"}),
        ("river", {"README.md": BASE, "config.json": CONFIG, "Q4_0/a.gguf": b""}),
    ],
)
def test_a_card_above_folders_of_weights_makes_them_one_repository(
    tmp_path: Path, name: str, files: dict[str, bytes]
) -> None:
    folder = write_tree(tmp_path / "own" / name, files)
    assert ids(tmp_path) == ids(folder) == [("model", f"own/{name}")]


def test_a_folder_in_a_repository_that_has_a_card_is_a_repository(tmp_path: Path) -> None:
    write_tree(
        tmp_path / "own" / "river",
        {"README.md": BASE, "Q4_0/a.gguf": b"", "chat/README.md": CARD, "chat/a.gguf": b"", "more/x/README.md": CARD},
    )
    assert ids(tmp_path) == [("model", "own/river"), ("model", "river/chat"), ("model", "more/x")]


def test_a_folder_of_models_is_no_repository(tmp_path: Path) -> None:
    write_tree(tmp_path / "zoo", {"README.md": b"# My models\n", "river/m.gguf": b"", "brook/m.gguf": b""})
    assert {("model", "zoo/brook"), ("model", "zoo/river")} < set(ids(tmp_path))
    (tmp_path / "zoo" / "README.md").unlink()
    assert sorted(ids(tmp_path)) == [("model", "zoo/brook"), ("model", "zoo/river")]


def test_what_files_in_folders_state_counts_for_the_repository(tmp_path: Path) -> None:
    other = ADAPTER.replace(b"river", b"brook")
    files = {"README.md": CARD, "a/adapter_config.json": ADAPTER, "b/adapter_config.json": other, "c/d.gguf": b"GGUF",
             "e/adapter_config.json": ADAPTER}  # fmt: skip
    cached = write_cached(tmp_path / "hub", "models--own--loras", files)
    for place in (write_tree(tmp_path / "own" / "loras", files), cached):
        ((record, notes),) = loaded(place)
        assert record.id == "own/loras"
        assert [claim.name for claim in record.parents] == ["acme/river", "acme/brook"]
        assert [note.partition(":")[0] for note in notes] == ["c/d.gguf"]
    # Beside weights of its own, folders are parts of a pipeline, checkpoints or examples.
    (tmp_path / "own" / "loras" / "model.safetensors").write_bytes(WEIGHTS)
    assert loaded(tmp_path / "own" / "loras")[0][0].parents == []
