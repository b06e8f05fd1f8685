"""`snapshot`, and the verbs that open one: no engine starts for them, and the Hub on loopback adds what they lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.snapshot.repositories import named_models
from atlas_db.snapshot.snapshot_file import closure, write_repositories
from atlas_db.store.bolt import Store
from tests.support.command import run, run_json
from tests.support.graphs import child, load_rows, model
from tests.support.hub_server import serving
from tests.support.kept import answered
from tests.support.license_hub import META, ROWS


@pytest.fixture
def file(tmp_path: Path) -> str:
    place = answered(ROWS).repositories
    file = tmp_path / "atlas.parquet"
    write_repositories(closure(place, [each.id for each in named_models(place)]), place.newest(), file)
    return str(file)


@pytest.fixture
def card(tmp_path: Path) -> str:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: a/Llama-3-mid\n---\n")
    return str(folder)


@pytest.mark.slow
def test_verbs_read_a_snapshot_without_an_engine(tmp_path: Path, file: str, card: str) -> None:
    home = tmp_path / "home"
    assert META in run(home, "audit", "b/Llama-3-leaf", "--store", file).stdout
    run(home, "audit", card, "--store", file, "--fail-on", "violation", code=1)
    assert json.loads(run(home, "bom", card, "--store", file).stdout)["bomFormat"] == "CycloneDX"
    assert META in run(home, "lineage", "b/Llama-3-leaf", "--depth", "0", "--store", file).stdout
    assert "which does not answer this" in run(home, "query", "top_parents", "--store", file, code=2).stderr
    found = run_json(home, "audit", "--all", "--store", file)
    assert found["counts"]["models"] == len(ROWS) - 1, "a row is a dataset"
    assert found["run_id"] is None, "nothing is written"
    assert {row["verdict"] for row in found["findings"]} == {"violation", "needs_review"}
    assert "there is no file" in run(home, "audit", card, "--store", "none.parquet", code=3).stderr
    assert not (home / "stores").exists()


def test_a_list_gets_a_bill_a_model_and_one_unknown_id_costs_no_other(tmp_path: Path, file: str, card: str) -> None:
    home, names, bills = tmp_path / "home", tmp_path / "names.txt", tmp_path / "bills"
    names.write_text(f"# ours\nb/Llama-3-leaf\n{card}\nno/such\n")
    done = run(home, "bom", "--file", str(names), "--author", "Acme", "--out", str(bills), "--store", file, code=3)
    assert "No bill: there is no model 'no/such'" in done.stderr
    documents = {each.name: json.loads(each.read_text())["metadata"] for each in bills.iterdir()}
    assert {name: each["component"]["bom-ref"] for name, each in documents.items()} == {
        "b--Llama-3-leaf.cdx.json": "model:b/Llama-3-leaf", "mine.cdx.json": "model:mine",
    }  # fmt: skip
    assert all(each["authors"] == [{"name": "Acme"}] for each in documents.values())
    lost = run(home, "notice", "b/Llama-3-leaf", "--out", str(tmp_path / "gone" / "NOTICE"), "--store", file, code=3)
    assert f"{tmp_path / 'gone' / 'NOTICE'}: No such file or directory" in lost.stderr
    assert "Check the path" in lost.stderr
    assert "need a folder" in run(home, "bom", "a/b", "c/d", "--store", file, code=2).stderr
    assert "no model is named" in run(home, "bom", "--store", file, code=2).stderr
    (tmp_path / "a.gguf").write_bytes(b"GGUF\0")
    assert "is no list" in run(home, "bom", "--file", str(tmp_path / "a.gguf"), "--out", "x", code=3).stderr


@pytest.mark.slow
def test_a_part_of_a_snapshot_answers_for_its_models(tmp_path: Path, file: str) -> None:
    home, part = tmp_path / "home", str(tmp_path / "part.parquet")
    counts = run_json(home, "snapshot", part, "b/Llama-3-leaf", "--store", file)
    assert (counts["models"], counts["datasets"]) == (3, 0)
    left, right = (run_json(home, "audit", "b/Llama-3-leaf", "--store", each) for each in (file, part))
    assert left == right
    assert "Did you mean" in run(home, "audit", "b/Llama-3-leaves", "--store", part, code=3).stderr
    assert "Did you mean" in run(home, "snapshot", part, "b/Llama-3-leaves", "--store", file, code=3).stderr
    assert "Name it out.parquet" in run(home, "snapshot", "out.json", "--store", file, code=2).stderr


def test_the_snapshot_of_an_engine(local_store: Store, local_settings: Settings, tmp_path: Path) -> None:
    load_rows(local_store, tmp_path, ROWS)
    file, home = tmp_path / "all.parquet", local_settings.home
    counts = run_json(home, "snapshot", str(file))
    assert (counts["models"], counts["datasets"]) == (len(ROWS) - 1, 1)
    assert run(home, "snapshot", str(file), "--format", "quiet").stdout.strip() == counts["sha256"]
    left, right = (run_json(home, "audit", "m/below", *words) for words in ([], ["--store", str(file)]))
    assert left == right


def test_files_are_audited_where_no_atlas_is(tmp_path: Path, card: str) -> None:
    home = tmp_path / "home"
    assert "This atlas is empty" in run(home, "audit", card).stdout
    assert "incomplete" in run(home, "audit", card, "--fail-on", "violation", code=5).stderr
    bill = json.loads(run(home, "bom", card).stdout)
    assert "not_in_atlas" in json.dumps(bill["components"])
    assert "is empty" in run(home, "audit", "a/b", code=3).stderr
    assert not (home / "stores").exists()


@pytest.mark.slow
def test_the_hub_is_asked_for_what_is_missing(
    tmp_path: Path, card: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (tmp_path / "repos").mkdir()
    with serving(tmp_path / "repos", monkeypatch) as hub:
        hub.renamed["a/Llama-3-mid"] = "a/Llama-3-now"
        hub.records["models/a/Llama-3-now"] = child("a/Llama-3-now", f"finetune:{META}", tags=["license:mit"])
        hub.records[f"models/{META}"] = model(META, tags=["license:llama3"])
        done = run(home, "audit", card, "--online", "--fail-on", "violation", code=1)
        assert "2 records that this atlas lacks" in done.stderr
        assert f"mine → a/Llama-3-now (finetune, declared) → {META}" in done.stdout
        bill = json.loads(run(home, "bom", card, "--online").stdout)
        assert {each["name"] for each in bill["components"]} == {"Llama-3-now", "Meta-Llama-3-8B"}
        asked = len(hub.tokens)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        offline = run(home, "audit", card, "a/unheard", "--online", "--fail-on", "violation", code=1)
        assert "HF_HUB_OFFLINE is set: a/unheard" in offline.stderr
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        assert len(hub.tokens) == asked
        # What the snapshot knows is not asked for.
        assert "0 records" in run(home, "audit", card, "--online", "--store", file).stderr
