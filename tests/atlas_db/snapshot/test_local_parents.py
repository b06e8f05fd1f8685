"""Tests of `atlas_db/snapshot/local_parents.py`: recipes whose models lie in folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.bom.collect import collect_contents
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.snapshot import local_parents
from atlas_db.snapshot.targets import read_targets
from tests.support.graphs import model
from tests.support.kept import kept_store

STORE = kept_store([model("org/base", tags=["license:apache-2.0"]), model("org/c", tags=["license:mit"])])


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A merge of two folders: a fine-tune of the Hub's model, and a merge of the first with another of the Hub."""
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "models/a/README.md", "---\nlicense: cc-by-nc-4.0\nbase_model: org/base\n---\n")
    _write(tmp_path / "models/b/config.json", '{"model_type": "llama"}')
    _write(tmp_path / "models/b/mergekit_config.yml", "merge_method: linear\nmodels:\n- model: ../a\n- model: org/c\n")
    text = "merge_method: slerp\nbase_model: ./models/a\nmodels:\n- model: models/a\n- model: models/b\n"
    return _write(tmp_path / "plan.yml", text)


def test_an_audit_goes_through_folders_to_the_atlas(recipe: Path) -> None:
    targets = read_targets([str(recipe)])
    assert [each.id for each in targets.folders[0].local] == ["./models/a", "./models/b"]
    report = audit_models(STORE, targets.ids, AuditOptions(), targets.folders)
    above = {row["ancestor"]: [step["model"] for step in row["path"]] for row in report.findings}
    assert above["./models/a"] == ["./models/a"]
    assert above["org/base"] == ["./models/a", "org/base"]
    assert report.missing == []
    allowed = {row["license"] for row in report.allowed_licenses["plan"]}
    assert "cc-by-nc-4.0" in allowed
    assert "apache-2.0" not in allowed, "one of the folders forbids commerce"
    contents = collect_contents(STORE, "plan", folder=targets.folders[0])
    assert set(contents.models) == {"plan", "./models/a", "./models/b", "org/base", "org/c"}
    assert [step.id for step in contents.parents["./models/b"]] == ["./models/a", "org/c"]
    assert [file.name for file in contents.models["./models/b"].files] == ["config.json", "mergekit_config.yml"]


def test_the_same_folder_of_two_recipes_is_one_model(recipe: Path) -> None:
    other = _write(recipe.parent / "other/plan2.yml", "merge_method: linear\nmodels:\n- model: ../models/a\n")
    targets = read_targets([str(recipe), str(other)])
    report = audit_models(STORE, targets.ids, AuditOptions(), targets.folders)
    assert report.models == 2
    assert {row["model"] for row in report.findings if row["ancestor"] == "./models/a"} == {"plan", "plan2"}


def test_circles_missing_folders_and_many_folders_end(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(
        recipe.parent / "models/a/mergekit_config.yml",
        "merge_method: linear\nmodels:\n- model: ../b\n- model: ./gone\n",
    )
    report = audit_models(STORE, [], AuditOptions(), read_targets([str(recipe)]).folders)
    assert report.missing == ["./gone"], "a folder that is not there is named"
    assert {row["verdict"] for row in report.allowed_licenses["plan"]} == {"unknown"}, "it may forbid whatever is left"
    monkeypatch.setattr(local_parents, "MAX_FOLDERS", 1)
    found = read_targets([str(recipe)]).folders[0]
    assert [each.id for each in found.local] == ["./models/a"]
    assert "more than 1 folders" in found.note_rows()[0]["text"]
    assert not found.is_read
    empty = recipe.parent / "models/empty"
    empty.mkdir()
    other = _write(recipe.parent / "two.yml", "merge_method: linear\nmodels:\n- model: models/empty\n- model: org/c\n")
    assert read_targets([str(other)]).folders[0].local == (), "an empty folder is no model"


@pytest.mark.parametrize("name", ["~no-such-user/x", "x" * 300, "circle", "circle/x"])
def test_parents_that_are_no_paths_are_names(recipe: Path, name: str) -> None:
    (recipe.parent / "circle").symlink_to("circle")
    card = _write(recipe.parent / "m/README.md", f"---\nbase_model: {name}\n---\n")
    assert read_targets([str(card.parent)]).folders[0].local == ()
