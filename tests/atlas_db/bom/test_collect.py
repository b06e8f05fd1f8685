"""Tests of `atlas_db/bom/collect.py`: author, description and context of a bill, in each of its forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.bom.accuracy import FieldState, field_states
from atlas_db.bom.collect import BomContents, BomContext, collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.bom.html_view import to_html
from atlas_db.bom.spdx import write_spdx
from atlas_db.cards.card_store import CardWriter
from atlas_db.core.terms import RecordKind
from atlas_db.licenses.card_model import read_card_model
from ingest.hub.decode import decode_record
from tests.support.kept import kept_store
from tests.support.license_hub import ROWS

PARENT = "A model that was trained on the data of somebody."


def _contents(path: Path | None, cards: Path) -> BomContents:
    folder = None if path is None else read_card_model(path)
    return collect_contents(kept_store(ROWS), "d/below" if folder is None else folder.id, folder=folder, cards=cards)


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A store of cards with that of one ancestor."""
    row = json.dumps({"id": "d/trained", "card": f"# Trained\n\n{PARENT}\n"}).encode()
    writer = CardWriter(tmp_path / "cards", "load-1", enabled=True)
    writer.add(decode_record(row, RecordKind.MODEL), "2024-06-30")
    writer.close()
    return tmp_path / "cards"


def test_producer_and_description_are_named_where_they_are_known(cards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nbase_model: d/below\n---\n\nOur own model of frogs.\n")
    contents = _contents(folder, cards)
    found = {(each.component, each.field): each.state for each in field_states(contents)}
    assert found["mine", "description"] is FieldState.DECLARED
    assert found["mine", "producer"] is FieldState.UNKNOWN
    assert found["d/below", "description"] is FieldState.UNKNOWN
    assert found["d/below", "producer"] is FieldState.DECLARED
    assert found["d/trained", "description"] is FieldState.DECLARED
    document = write_bom(contents)
    components = {each["bom-ref"]: each for each in (document["metadata"]["component"], *document["components"])}
    assert components["model:mine"]["description"] == "Our own model of frogs."
    assert components["model:d/trained"]["description"] == PARENT
    assert "description" not in components["model:d/below"]
    described = {each["name"]: each.get("description") for each in write_spdx(contents)["@graph"] if "name" in each}
    assert described["d/trained"] == PARENT
    assert "Our own model of frogs." in to_html(contents)


def test_the_context_tells_a_plan_from_files_and_from_records(cards: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yml"
    plan.write_text("merge_method: linear\nmodels: [{model: p/mit}, {model: p/nc}]\n")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    for path, context, phase, kind in (
        (plan, BomContext.PLAN, {"phase": "pre-build"}, "design"),
        (folder, BomContext.FILES, {"phase": "post-build"}, "analyzed"),
        (folder / "README.md", BomContext.RECORDS, {"name": "records"}, "analyzed"),
        (None, BomContext.RECORDS, {"name": "records"}, "analyzed"),
    ):
        contents = _contents(path, cards)
        assert contents.context is context
        for spec in ("1.7", "1.6"):
            (lifecycle,) = write_bom(contents, spec)["metadata"]["lifecycles"]
            assert lifecycle.items() >= phase.items()
        (sbom,) = [each for each in write_spdx(contents)["@graph"] if each["type"] == "software_Sbom"]
        assert sbom["software_sbomType"] == [kind]


def test_an_author_answers_for_the_bill_and_the_tool_where_none_is_named(cards: Path) -> None:
    contents = _contents(None, cards)
    assert "authors" not in write_bom(contents)["metadata"]
    assert write_bom(contents, author="Acme AG")["metadata"]["authors"] == [{"name": "Acme AG"}]
    for author, kind, name in ((None, "SoftwareAgent", "atlas-db"), ("Acme AG", "Agent", "Acme AG")):
        graph = write_spdx(contents, author)["@graph"]
        (info,) = [each for each in graph if each["type"] == "CreationInfo"]
        (creator,) = [each for each in graph if each.get("spdxId") in info["createdBy"]]
        assert (creator["type"], creator["name"]) == (kind, name)
    assert "Acme AG" in to_html(contents, "Acme AG")
