"""Tests of `atlas_db/bom/cyclonedx.py`: licences as written, and documents that the strict validator accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from atlas_db.bom.collect import collect_contents
from atlas_db.bom.cyclonedx import SPECS, write_bom
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.store.bolt import Store
from tests.support.graphs import load_rows, model

ODD = {
    "a/ref": {"license": "LicenseRef-Acme-Terms"},
    "a/address": {"license": "github.com/Acme/Repo/blob/main/LICENSE"},
    "a/named": {
        "license": "other",
        "license_name": "Acme Terms",
        "license_link": "https://acme.example/Terms/LICENSE",
    },
    "a/later": {"license": "gplv3+"},
    "a/choice": {"license": "cc-by-nc-4.0 OR commercial"},
    "a/several": {
        "license": [
            "MIT OR Apache-2.0",
            "LicenseRef-Acme-Terms OR MIT",
            "cc-by-4.0",
            "Acme Own Terms",
            "GPL-2.0-or-later WITH Classpath-exception-2.0",
        ]
    },
    "a/relative": {"license_name": "Acme Terms", "license_link": "LICENSE"},
    "a/space": {"license": "https://acme.example/My Terms"},
}


@pytest.fixture
def odd(store: Store, tmp_path: Path) -> Store:
    load_rows(store, tmp_path, [model(name, cardData=card) for name, card in ODD.items()], as_of="2024-06-30")
    return store


def _component(store: Store, name: str, spec: str = "1.7") -> dict[str, Any]:
    component: dict[str, Any] = write_bom(collect_contents(store, name), spec)["metadata"]["component"]
    return component


def _choices(component: dict[str, Any], acknowledgement: str = "declared") -> list[dict[str, Any]]:
    choices = [each.get("license", each) for each in component["licenses"]]
    return [each for each in choices if each["acknowledgement"] == acknowledgement]


def _property(component: dict[str, Any], name: str) -> list[str]:
    return [each["value"] for each in component["properties"] if each["name"] == f"atlas-db:{name}"]


@pytest.mark.parametrize("spec", SPECS)
def test_bills_with_odd_and_several_licences_are_valid(odd: Store, spec: str) -> None:
    # Its import compiles forty grammars of addresses: 3 s that each worker would pay.
    from cyclonedx.validation.json import JsonStrictValidator

    versions: dict[str, SchemaVersion] = SPECS
    for name in ODD:
        document = write_bom(collect_contents(odd, name), spec)
        assert JsonStrictValidator(versions[spec]).validate_str(json.dumps(document)) is None
        assert len(document["metadata"]["component"]["licenses"]) >= 1


def test_licences_keep_the_capital_letters_of_their_author(odd: Store) -> None:
    (reference,) = _choices(_component(odd, "a/ref"))
    assert reference["expression"] == "LicenseRef-Acme-Terms"
    (address,) = _choices(_component(odd, "a/address"))
    assert address["name"] == "github.com/Acme/Repo/blob/main/LICENSE"
    assert address["url"] == "https://github.com/Acme/Repo/blob/main/LICENSE"
    assert {each.get("expression") for each in _choices(_component(odd, "a/several"))} >= {
        "LicenseRef-Acme-Terms OR MIT",
        "GPL-2.0-or-later WITH Classpath-exception-2.0",
    }


def test_name_and_link_of_another_licence(odd: Store) -> None:
    component = _component(odd, "a/named")
    assert {(each["name"], each["url"]) for each in _choices(component)} == {
        ("Acme Terms", "https://acme.example/Terms/LICENSE"),
        ("Other", "https://acme.example/Terms/LICENSE"),
    }
    assert _property(component, "license_link") == ["https://acme.example/Terms/LICENSE"]
    assert _property(_component(odd, "a/relative"), "license_name") == ["Acme Terms"]
    assert "url" not in _choices(_component(odd, "a/space"))[0]


def test_or_later_stays_in_what_is_declared_and_concluded(odd: Store) -> None:
    component = _component(odd, "a/later")
    for acknowledgement in ("declared", "concluded"):
        (found,) = _choices(component, acknowledgement)
        assert found["id"] == "GPL-3.0-or-later"


def test_bill_and_audit_give_one_state_of_a_choice(odd: Store, tmp_path: Path) -> None:
    rows = [model("b/mit", tags=["license:mit", "base_model:a/choice"]), model("b/llama", tags=["license:llama3"])]
    rows += [model("b/below", tags=["license:cc-by-nc-4.0 OR commercial", "base_model:b/llama"])]
    load_rows(odd, tmp_path, rows, as_of="2024-07-30")
    assert _property(_component(odd, "a/choice"), "license_state") == ["stated"]
    for name in ("b/mit", "b/below"):
        rows_of_model = audit_models(odd, [name], AuditOptions()).findings
        found = {(each["license_state"], each["child_license_state"]) for each in rows_of_model}
        assert found == {("stated", "stated")}
        assert "violation" not in {each["verdict"] for each in rows_of_model if not each["rule"].startswith("name-")}
