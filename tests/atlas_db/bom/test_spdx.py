"""SPDX documents: the project's own SHACL shapes accept them, and they read back to the lineage that was written.

The shapes and the context are those of SPDX 3.0.1, from `spdx/spdx-spec` (Community Specification License 1.0).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from atlas_db.bom.collect import collect_contents
from atlas_db.bom.spdx import write_spdx
from atlas_db.catalogue.loader import catalogue
from atlas_db.licenses.card_model import read_card_model
from tests.support.graphs import child, model
from tests.support.kept import kept_store
from tests.support.license_hub import META, ROWS
from tests.support.paths import GOLDEN

TERMS = "https://spdx.org/rdf/3.0.1/terms"


def _problems(document: dict[str, Any]) -> str:
    """Return what the shapes refuse, empty where nothing."""
    import pyshacl
    import rdflib

    context = json.loads((GOLDEN / "spdx-3.0.1-context.jsonld").read_text())
    data = rdflib.Graph().parse(data=json.dumps({**document, **context}), format="json-ld")
    shapes = rdflib.Graph().parse(GOLDEN / "spdx-3.0.1-model.ttl")
    fits, _, text = pyshacl.validate(data, shacl_graph=shapes, ont_graph=shapes)
    return "" if fits else str(text)


def _elements(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in document["@graph"] if each["type"] == kind]


def _edges(document: dict[str, Any], kind: str) -> set[tuple[str, str]]:
    names = {each["spdxId"]: each.get("name", "") for each in document["@graph"] if "spdxId" in each}
    return {
        (names[each["from"]], names.get(target, target))
        for each in _elements(document, "Relationship")
        if each["relationshipType"] == kind
        for target in each["to"]
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib")
def test_the_shapes_of_the_standard_accept_every_bill_and_refuse_a_damaged_one(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: [mit, Acme Own Terms]\nbase_model: d/below\n---\n")
    store = kept_store(ROWS)
    for name in ("m/below", "d/below", "o/one"):
        assert _problems(write_spdx(collect_contents(store, name))) == ""
    card = read_card_model(folder)
    document = write_spdx(collect_contents(store, card.id, folder=card), author="Acme AG")
    assert _problems(document) == ""
    (package,) = [each for each in _elements(document, "ai_AIPackage") if each["name"] == "mine"]
    package["software_packageVersion"] = ["one", "two"]
    assert "packageVersion" in _problems(document)


def test_lineage_data_and_licences_read_back() -> None:
    document = write_spdx(collect_contents(kept_store(ROWS), "d/below"))
    assert _edges(document, "descendantOf") == {("d/below", "d/trained")}
    assert _edges(document, "trainedOn") == {("d/trained", "datasets/data/nc")}
    assert {each["name"] for each in _elements(document, "dataset_DatasetPackage")} == {"datasets/data/nc"}
    texts = {
        each["simplelicensing_licenseExpression"] for each in _elements(document, "simplelicensing_LicenseExpression")
    }
    assert texts == {"MIT", "CC-BY-NC-4.0"}
    for kind in ("hasDeclaredLicense", "hasConcludedLicense"):
        assert len(_edges(document, kind)) == 3, "one each for two models and a dataset"
    bill = write_spdx(collect_contents(kept_store(ROWS), "m/below"))
    assert _edges(bill, "descendantOf") == {("m/below", "m/merge"), ("m/merge", "p/nc"), ("m/merge", "p/mit")}


def test_a_licence_that_spdx_does_not_list_refers_to_its_text_and_none_is_no_assertion() -> None:
    rows = [child("a/b", f"finetune:{META}", tags=["license:odd terms!"]), *ROWS]
    document = write_spdx(collect_contents(kept_store(rows), "a/b"))
    found = {
        each["simplelicensing_licenseExpression"]: each
        for each in _elements(document, "simplelicensing_LicenseExpression")
    }
    (entry,) = found[str(getattr(catalogue().get("llama3"), "ref", ""))]["simplelicensing_customIdToUri"]
    assert entry["value"].startswith("https://www.llama.com/")
    assert any(name.startswith("LicenseRef-declared-odd-terms") for name in found)
    silent = write_spdx(collect_contents(kept_store([model("a/silent")]), "a/silent"))
    assert {target for _, target in _edges(silent, "hasDeclaredLicense")} == {"expandedlicensing_NoAssertionLicense"}


def test_conformance_with_the_ai_profile_is_stated_only_where_it_holds() -> None:
    whole = model("a/whole", tags=["license:mit"], sha="a" * 40)
    for rows, conforms in (([whole], True), ([model("a/whole", tags=["license:mit"])], False)):
        document = write_spdx(collect_contents(kept_store(rows), "a/whole"))
        (sbom,) = _elements(document, "software_Sbom")
        assert ("ai" in sbom["profileConformance"]) is conforms
