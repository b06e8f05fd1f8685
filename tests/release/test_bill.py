"""Tests of `release/bill.py`."""

from __future__ import annotations

import json

import pytest

from release.bill import product_bill
from release.locked_packages import PRODUCT, locked_packages


@pytest.mark.slow
def test_the_bill_has_every_package_with_digests_licence_and_what_needs_it() -> None:
    document, packages = json.loads(product_bill()), locked_packages()
    components = {each["name"]: each for each in document["components"]}
    assert set(components) == set(packages) - {PRODUCT} and document["metadata"]["component"]["name"] == PRODUCT
    torch = components["torch"]
    found = {each["hashes"][0]["content"] for each in torch["externalReferences"]}
    assert found == set(packages["torch"].sha256.values())
    needs = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert packages["numpy"].url in needs[packages[PRODUCT].url]
    assert all(each["licenses"] for each in components.values())
    assert "timestamp" not in document["metadata"]  # the same lock gives the same bill
