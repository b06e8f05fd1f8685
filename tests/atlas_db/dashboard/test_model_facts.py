"""Tests of `atlas_db/dashboard/model_facts.py`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from atlas_db.dashboard.model_facts import (
    code_for,
    files_of,
    formats_of,
    hub_links,
    named_children,
    path_to_root,
)
from atlas_db.lineage.traversal import ChildGroup
from tests.support.drawing import step


def test_the_path_follows_the_most_probable_parent_and_ends_in_a_circle() -> None:
    edges = {
        "leaf": [replace(step("leaf", "weak"), confidence=0.2), step("leaf", "strong"), replace(step("leaf", "wrong"), confidence=1.0, status="contradicted")],
        "strong": [step("strong", "root")],
        "root": [step("root", "leaf")],
    }  # fmt: skip
    found = path_to_root("leaf", lambda model: edges.get(model, []))
    assert [each.parent for each in found] == ["strong", "root"]
    assert path_to_root("alone", lambda _: []) == []


def test_children_formats_and_links() -> None:
    groups = [ChildGroup("quantized", 9, [step(f"q{n}", "a", 1, 9 - n) for n in range(9)])]
    assert named_children(groups) == [
        {"relation": "quantized", "models": 9, "named": [{"model": f"q{n}", "downloads": 9 - n} for n in range(5)]}
    ]
    assert formats_of({"tags": ["gguf", "en", "safetensors"]}) == ["safetensors", "gguf"]
    assert formats_of({}) == []
    page = "https://huggingface.co/a/b%20c"
    assert hub_links("a/b c", "a") == {
        "model": page,
        "files": f"{page}/tree/main",
        "author": "https://huggingface.co/a",
    }
    assert "author" not in hub_links("gpt2", None)


def test_links_lead_to_the_hub_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://hub.example/")
    assert hub_links("a/b", "a") == {
        "model": "https://hub.example/a/b", "files": "https://hub.example/a/b/tree/main",
        "author": "https://hub.example/a",
    }  # fmt: skip


def test_files_are_known_or_unknown() -> None:
    unknown = {row["what"]: row["value"] for row in files_of({})}
    assert len(unknown) > 5
    assert set(unknown.values()) == {None}
    props = {"tags": ["gguf"], "license_files": [], "weights_bytes": 2_500_000_000, "weights_layers": 24}
    known = {row["what"]: row["value"] for row in files_of(props) if row["value"] is not None}
    assert known == {
        "formats": ["gguf"], "licence and notice files": "none", "size of the weights": "2.500 GB", "layers": 24,
    }  # fmt: skip


def test_a_hostile_name_cannot_leave_its_quotes() -> None:
    name = "x\"'`$(rm) <b>\\"
    code = code_for(name)
    assert '"x\\"' in code["Cypher"] and '"x\\"' in code["Python"]
    compile(code["Python"], "snippet", "exec")
    assert "'x\"'\\''`$(rm) <b>\\'" in code["Shell"]
