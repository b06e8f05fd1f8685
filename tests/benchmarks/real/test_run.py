"""A run over public test sets, with stand-ins: small models under the ids of a set, in folders and behind HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.terms import Relation
from benchmarks.real import run as run_module
from benchmarks.real.__main__ import main
from benchmarks.real.public_sets import ExpectedEdge, ExpectedPair, ListedModel, PublicSet, write_sets
from ingest.weights.fingerprints.parquet import read_fingerprints
from tests.support.changes import adapter, copied_table
from tests.support.families import Weights, root, stored, trained, write
from tests.support.hub_cache import write_cached
from tests.support.hub_server import HubServer, serving

BASE, CHAT = "TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"
HERMES, PIRATE = "Tensoic/TinyLlama-1.1B-3T-openhermes", "phanerozoic/Tiny-Pirate-1.1b-v0.1"
CAST, MERGE, COPY = "ann/TinyLlama-Chat-bf16", "ann/tiny-merge", "unsloth/tinyllama-chat"
OLD_NAME, FAR, GATED = "ann/old-name", "far/other-1.1b", "meta-llama/Llama-2-7b-hf"
GONE, PICKLES, LOCAL, LORA = "gone/model", "gone/pickles", "tinyllama_q4_k_m", "ann/tiny-lora"
EDGES = (
    (CHAT, BASE, Relation.FINETUNE), (HERMES, BASE, Relation.FINETUNE), (PIRATE, CHAT, Relation.FINETUNE),
    (CAST, HERMES, Relation.QUANTIZED), (MERGE, CHAT, Relation.MERGE), (MERGE, HERMES, Relation.MERGE),
    (COPY, CHAT, Relation.DUPLICATE), (LOCAL, CHAT, Relation.QUANTIZED), (GONE, BASE, Relation.FINETUNE),
)  # fmt: skip


def stand_ins() -> dict[str, tuple[Weights, str]]:
    """Return weights and type of each model that can be had, oldest first."""
    base = root(1)
    chat, hermes = trained(base, 2), trained(base, 3)
    merge = {name: 0.5 * value + 0.5 * hermes[name] for name, value in chat.items()}
    return {
        BASE: (base, "F32"), CHAT: (chat, "F32"), HERMES: (hermes, "F32"), PIRATE: (trained(chat, 4, 0.06), "F32"),
        COPY: (chat, "F32"), CAST: (stored(hermes, "BF16"), "BF16"), MERGE: (merge, "F32"), FAR: (root(50), "F32"),
    }  # fmt: skip


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    near = [BASE, CHAT, HERMES, PIRATE, CAST, MERGE, COPY, OLD_NAME, LOCAL, GONE, LORA]
    models = [*(ListedModel(id, "near") for id in near), *(ListedModel(id, "far") for id in (FAR, GATED, PICKLES))]
    edges = [ExpectedEdge(child, (parent,), (relation,), relation.value) for child, parent, relation in EDGES]
    edges.append(ExpectedEdge(LORA, (BASE, CHAT), (Relation.ADAPTER,), "lora"))
    pairs = (ExpectedPair(OLD_NAME, PIRATE, True, "sft"), ExpectedPair(BASE, FAR, False, "independent"))
    write_sets(
        [
            PublicSet("tree", "own/tree", "c0ffee", "none stated", True, tuple(models), tuple(edges)),
            PublicSet("pairs", "own/pairs", "c0ffee", "MIT", False, tuple(map(ListedModel, (OLD_NAME, PIRATE, BASE, FAR))), (), pairs),
        ],
        tmp_path / "sets",
    )  # fmt: skip
    return tmp_path / "sets"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    repos = tmp_path / "repos"
    with serving(repos, monkeypatch) as server:
        for day, (id, (weights, dtype)) in enumerate(stand_ins().items(), 1):
            write(repos / id, weights, dtype, shards=1 + day % 2)
            server.commits[id], server.dates[id] = f"{day:040x}", f"2024-01-{day:02d}T00:00:00.000Z"
        write(repos / GATED, root(7))
        (repos / PICKLES).mkdir(parents=True)
        (repos / PICKLES / "pytorch_model.bin").write_bytes(b"\x80\x04.")
        server.commits |= {GATED: "a" * 40, PICKLES: "b" * 40}
        server.renamed[OLD_NAME] = CHAT
        server.gated.add(GATED)
        yield server


def results(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["run", *map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.slow
def test_a_set_is_read_from_a_hub_by_ranges(
    hub: HubServer, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--hub", "--sets", sets, "--out", tmp_path / "out")
    found = results(capsys, *where)
    tree, pairs = {each["name"]: each for each in found["sets"]}["tree"], found["sets"][0]
    assert (tree["models"], tree["here"], pairs["models"], pairs["here"]) == (14, 9, 4, 4)
    for name, stated, possible in (("finetune", 4, 3), ("quantized", 2, 1), ("merge", 2, 2), ("duplicate", 1, 1)):
        counts = tree["edges"][name]
        assert (counts["stated"], counts["possible"]) == (stated, possible), name
        assert (counts["parent"], counts["relation"], counts["reversed"]) == (possible, possible, 0), name
    assert tree["given"][:2] == [7, 7]
    assert (tree["auc"], tree["tpr"], pairs["auc"]) == (1.0, 1.0, 1.0)
    assert tree["independent"]["one architecture"] == {"stated": 8, "here": 8, "comparable": 8, "joined": 0}
    assert pairs["related"]["sft"]["joined"] == 1, "the old name of a renamed repository is the new one"
    assert found["same"] == {OLD_NAME: CHAT}
    reasons = found["absent"]
    assert reasons.keys() == {GATED, PICKLES, GONE, LOCAL, LORA}
    assert "403" in reasons[GATED] and "404" in reasons[GONE] and "neither safetensors nor GGUF" in reasons[PICKLES]
    assert reasons[LOCAL] == "is not on the Hub, and lies in no folder"
    lines = {line["id"]: line for line in map(json.loads, (tmp_path / "out" / "models.jsonl").read_text().splitlines())}
    assert lines[CHAT]["location"] == f"hub:{CHAT}@{2:040x}" and lines[CHAT]["sets"] == ["tree"]
    assert lines[OLD_NAME]["same_as"] == CHAT and lines[GONE]["absent"] == reasons[GONE]
    store = hub.other
    assert store is not None
    sent = store.sent
    assert results(capsys, *where) == found
    assert store.sent == sent, "nothing is read twice"
    hub.gated.clear()
    assert results(capsys, *where, "--set", "tree")["sets"][0]["here"] == 10
    assert store.sent > sent, "what can be had now is read"


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(
    hub: HubServer, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--hub", "--sets", sets, "--out", tmp_path / "out")
    monkeypatch.setattr(run_module, "PART_MODELS", 2)
    shown = run_module.show_progress

    def stopped(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("Fingerprints", 5):
            raise KeyboardInterrupt

    monkeypatch.setattr(run_module, "show_progress", stopped)
    with pytest.raises(KeyboardInterrupt):
        main(["run", *map(str, where)])
    assert len(list(read_fingerprints([tmp_path / "out" / "fingerprints.parquet"]))) == 4
    store = hub.other
    assert store is not None
    before = store.sent
    monkeypatch.setattr(run_module, "show_progress", shown)
    results(capsys, *where)
    rest = store.sent - before
    results(capsys, "--hub", "--sets", sets, "--out", tmp_path / "whole")
    assert 0 < rest < 0.7 * (store.sent - before - rest)


def test_a_hub_that_does_not_answer_ends_the_run(
    hub: HubServer, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.mishaps = [503] * 8
    assert main(["run", "--hub", "--sets", str(sets), "--out", str(tmp_path / "out")]) == 3
    assert "the Hub keeps failing (HTTP 503)" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stated_revision_is_read(hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (ListedModel(BASE, revision="d" * 40), ListedModel(CHAT))
    write_sets([PublicSet("pinned", "own/pinned", "c0ffee", "MIT", False, models)], tmp_path / "sets")
    results(capsys, "--hub", "--sets", tmp_path / "sets", "--out", tmp_path / "out")
    lines = [json.loads(line) for line in (tmp_path / "out" / "models.jsonl").read_text().splitlines()]
    assert [line["revision"] for line in lines] == [f"{2:040x}", "d" * 40]


@pytest.mark.slow
def test_folders_of_any_layout_are_read(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models, made = tmp_path / "models", stand_ins()
    for id, folder in ((BASE, BASE), (CHAT, CHAT.replace("/", "--")), (HERMES, HERMES.split("/")[1].lower())):
        write(models / folder, *made[id])
    plain = write(tmp_path / "plain", *made[FAR])
    cache = tmp_path / "cache"
    files = {file.name: file.read_bytes() for file in plain.iterdir()}
    write_cached(cache, "models--" + FAR.replace("/", "--"), files, main="0a1b")
    (models / LORA).parent.mkdir()
    copied_table(adapter(models / LORA, made[BASE][0], rank=8), made[BASE][0])
    write(models / LOCAL, *made[CHAT])
    found = results(capsys, "--models", models, "--models", cache, "--sets", sets, "--out", tmp_path / "out")
    tree = found["sets"][1]
    assert tree["here"] == 6
    assert tree["edges"]["adapter"]["parent"] == 1, "with files at hand, bases of adapters are searched"
    assert tree["independent"]["all"]["joined"] == 0
    assert found["absent"][PIRATE] == "lies in no folder"


def test_a_folder_that_fits_two_ids_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = tuple(map(ListedModel, ("one/river", "two/river", "two/lake")))
    write_sets([PublicSet("twins", "own/twins", "c0ffee", "MIT", False, models)], tmp_path / "sets")
    write(tmp_path / "models" / "river", root(1))
    write(tmp_path / "models" / "lake", root(2))
    where = ("--models", tmp_path / "models", "--sets", tmp_path / "sets", "--out", tmp_path / "out")
    found = results(capsys, *where)
    assert found["absent"].keys() == {"one/river", "two/river"}
    assert "the folder river fits 2 ids: name it owner/name" in found["absent"]["one/river"]
    shutil.move(tmp_path / "models" / "river", tmp_path / "models" / "two" / "river")
    assert results(capsys, *where)["absent"] == {"one/river": "lies in no folder"}


@pytest.mark.slow
def test_a_broken_cache_is_named_and_the_hub_asked_instead(
    hub: HubServer, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    snapshot = write_cached(cache, "models--" + CHAT.replace("/", "--"), {"model.safetensors": b"x"}, main="0a1b")
    (snapshot / "model.safetensors").resolve().unlink()
    where = ("--models", cache, "--sets", sets, "--set", "pairs", "--set", "tree", "--out", tmp_path / "out")
    assert main(["run", *map(str, where)]) == 3
    lines = map(json.loads, (tmp_path / "out" / "models.jsonl").read_text().splitlines())
    assert {line["id"]: line["absent"] for line in lines}[CHAT] == "model.safetensors links to a file that is not there"
    capsys.readouterr()
    assert CHAT not in results(capsys, *where, "--hub")["absent"]


def test_a_dry_run_reads_headers(
    hub: HubServer, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--hub", "--sets", str(sets), "--out", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    size = found["models"][BASE]
    files = (tmp_path / "repos" / BASE).glob("*.safetensors")
    assert size["weights"] == sum(file.stat().st_size for file in files)
    assert 0 < size["headers"] < size["weights"] / 10
    assert "403" in found["models"][GATED]["problem"] and found["absent"].keys() == {GONE, LOCAL, LORA}
    assert not (tmp_path / "out").exists()
    assert main(["run", "--hub", "--sets", str(sets), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "10 of 14 models are here" in text and "3 models were left out" in text


@pytest.mark.slow
def test_people_read_a_table(hub: HubServer, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--hub", "--sets", str(sets), "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "tree: 9 of 14 models are here" in text
    assert "finetune                       4         3  3 (1.00)" in text
    assert "9 of 14 models were read" in text and "1 of them under another name" in text


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["--models", "MISSING"], "is not there", 3),
        ([], "Add --models FOLDER, --hub, or both", 2),
        (["--models", "EMPTY", "--set", "pair"], "Did you mean pairs?", 2),
        (["--models", "EMPTY"], "no folder here holds weights", 3),
        (["--models", "OTHER"], "none of the 14 models can be read", 3),
        (["--models", "OTHER", "--sets", "EMPTY"], "holds no public test set", 3),
        (["--models", "OTHER", "--sets", "BROKEN"], "broken.json: ", 3),
    ],
)
def test_what_is_wrong_is_named(
    words: list[str], message: str, code: int, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "BROKEN").mkdir()
    (tmp_path / "BROKEN" / "broken.json").write_text('{"name": 1}')
    write(tmp_path / "OTHER" / "unlisted", root(3))
    placed = [str(tmp_path / word) if word.isupper() else word for word in words]
    assert main(["run", "--sets", str(sets), "--out", str(tmp_path / "out"), *placed]) == code
    shown = capsys.readouterr()
    assert message in shown.err and "Traceback" not in shown.err
