"""`atlas-db origin` and `verify` over real files: every kind of answer, the sheet, and each outcome of a verification."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from atlas_db.pipeline.sample import sample
from tests.support.browsers import assert_readable
from tests.support.command import run, run_json
from tests.support.families import root, trained, write


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin") / "models"
    shutil.copytree(sample() / "weights", folder)
    return folder


@pytest.fixture(scope="module")
def known(models: Path) -> Path:
    out = models.parent / "known.parquet"
    run(models.parent, "fingerprint", str(models), "--out", str(out))
    return out


def answer(home: Path, *args: object) -> dict[str, Any]:
    (found,) = run_json(home, "origin", *map(str, args))["answers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_a_copy_of_a_known_model_comes_from_it(models: Path, known: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(models / "tern-chat-8bit", mine)
    found = answer(tmp_path, mine, "--fingerprints", known)
    assert found["verdict"] == "comes_from"
    assert {parent["id"] for parent in found["parents"]} <= {"atlas-demo/tern-chat", "atlas-demo/tern-chat-8bit"}
    assert found["nearest"][0]["id"] == "atlas-demo/tern-chat-8bit"
    assert found["read"]["positions"] == 144
    printed = run(tmp_path, "origin", str(mine), "--fingerprints", str(known)).stdout
    assert found["text"][0] in printed
    assert "8 known ones only" in printed


@pytest.mark.slow
def test_an_adapter_comes_from_its_base(models: Path, known: Path, tmp_path: Path) -> None:
    found = answer(tmp_path, models / "plover-verse-lora", "--fingerprints", known)
    assert [(each["id"], each["relation"]) for each in found["parents"]] == [("atlas-demo/plover", "adapter")]


def test_one_file_is_a_model(models: Path, known: Path, tmp_path: Path) -> None:
    file = tmp_path / "loose.safetensors"
    shutil.copy(models / "plover" / "model.safetensors", file)
    (tmp_path / "other.safetensors").write_bytes(b"no weights")
    found = answer(tmp_path, file, "--fingerprints", known)
    assert (found["model"], found["nearest"][0]["distance"]) == ("loose", 0.0)


@pytest.mark.parametrize(
    ("names", "verdict", "said"),
    [
        (["tern"], "not_comparable", "no known model"),
        (["plover-verse-lora"], "not_comparable", "adapter"),
        (["tern", "plover"], "unrelated", "Nothing known is related"),
    ],
)
def test_there_is_an_answer_where_there_is_no_parent(
    models: Path, tmp_path: Path, names: list[str], verdict: str, said: str
) -> None:
    for name in names:
        shutil.copytree(models / name, tmp_path / "asked" / name)
    answers = run_json(tmp_path, "origin", str(tmp_path / "asked"))["answers"]
    assert {each["verdict"] for each in answers} == {verdict}
    assert all(said in " ".join(each["text"]) for each in answers)


def test_other_shapes_and_damaged_files_are_told_apart(known: Path, tmp_path: Path) -> None:
    write(tmp_path / "asked" / "wide", {"model.layers.0.odd.weight": root(1)["lm_head.weight"]})
    (tmp_path / "asked" / "cut").mkdir()
    (tmp_path / "asked" / "cut" / "model.safetensors").write_bytes(b"\xff" * 40)
    answers = run_json(tmp_path, "origin", str(tmp_path / "asked"), "--fingerprints", str(known))["answers"]
    assert {each["model"]: each["verdict"] for each in answers} == {"cut": "not_read", "wide": "not_comparable"}
    assert "could not be read" in answers[0]["text"][0]
    run(tmp_path, "origin", str(tmp_path / "asked" / "cut"), "--fingerprints", str(known), code=3)


def test_a_dry_run_reads_no_weights(models: Path, tmp_path: Path) -> None:
    plan = run_json(tmp_path, "origin", str(models / "tern"), "--dry-run")
    assert [each["model"] for each in plan["would_read"]] == ["tern"]
    assert plan["known"] == 0


@pytest.mark.slow
def test_quantized_from_tells_the_original_from_its_relatives(models: Path, tmp_path: Path) -> None:
    copy = models / "tern-chat-8bit"
    answers = {
        name: answer(tmp_path, copy, "--quantized-from", models / name) for name in ("tern-chat", "tern", "plover")
    }
    verdicts = {name: each["quantized_from"]["verification"] for name, each in answers.items()}
    assert verdicts["tern-chat"] == "verified"
    assert "verified" not in (verdicts["tern"], verdicts["plover"])
    assert [each["id"] for each in answers["tern-chat"]["parents"]] == ["tern-chat"], "it is a known model as well"


def test_the_stated_original_may_have_the_id_of_a_known_model(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    run(tmp_path, "fingerprint", str(models / "tern-chat"), "--out", str(out))
    found = answer(tmp_path, models / "tern-chat-8bit", "--fingerprints", out, "--quantized-from", models / "tern-chat")
    assert found["quantized_from"]["verification"] == "verified"
    assert [each["id"] for each in found["parents"]] == ["tern-chat"]


class Tags(HTMLParser):
    """Names of the tags, and addresses, in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture
def report(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of models, and a report on one of them."""
    base = root(1)
    write(tmp_path / "models" / "base", base)
    write(tmp_path / "models" / "<b>tuned", trained(base, 2))
    run(tmp_path, "origin", str(tmp_path / "models"), "--report", str(tmp_path / "report"))
    return tmp_path / "models", tmp_path / "report"


def test_the_sheet_has_no_script_and_escapes_names(report: tuple[Path, Path]) -> None:
    text = (report[1] / "origin.html").read_text()
    tags = Tags()
    tags.feed(text)
    assert not {"script", "b", "link", "img"} & set(tags.seen)
    assert tags.addresses == []
    assert "&lt;b&gt;tuned" in text
    assert all(term in text for term in ("confidence", "false-alarm rate", "SHA-256"))


def test_a_browser_shows_and_prints_the_sheet(report: tuple[Path, Path], browser: Browser) -> None:
    assert_readable(browser, report[1] / "origin.html")


@pytest.mark.slow
def test_a_record_is_verified_and_each_failure_has_its_word_and_code(report: tuple[Path, Path], tmp_path: Path) -> None:
    models, folder = report
    record = next(file for file in (folder / "records").iterdir() if "base" in file.name)

    def outcome(code: int, *more: str) -> str:
        return str(run_json(tmp_path, "verify", str(record), *more, code=code)["outcome"])

    assert outcome(0) == "same"
    stated = json.loads(record.read_text())
    record.write_text(json.dumps({**stated, "result": {**stated["result"], "verdict": "unrelated"}}))
    assert outcome(1) == "different_result"
    record.write_text(json.dumps(stated))
    shutil.move(models, tmp_path / "moved")
    assert outcome(5) == "files_missing"
    assert outcome(0, "--models", str(tmp_path / "moved")) == "same"
    shutil.copytree(tmp_path / "moved", models)
    (models / "base" / "model.safetensors").write_bytes(b"other")
    assert outcome(3) == "files_changed"
    record.write_text("{}")
    assert "cannot be read as a record" in run(tmp_path, "verify", str(record), code=3).stderr
